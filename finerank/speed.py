"""How fast does a model rank on this machine, and how much of what the machine can do is that?"""

import dataclasses
import random
import statistics
from dataclasses import dataclass
from typing import Final

from .hardware import matmul_rate
from .models.qwen3.reranker import Qwen3Reranker
from .reranker import Reranker
from .types import AnswerFacts

NUM_DOCUMENTS: Final = 16
NUM_WORDS: Final = 100
NUM_RUNS: Final = 3

_VOCABULARY: Final = """
pressure sensor valve river museum gradient contract court battery screen letter garden index query python island
engine winter market signal number history doctor winding answer copper yellow simple travel method
"""


@dataclass(frozen=True, slots=True)
class Speed:
    """Of the median run.

    prompt_tokens_per_s: as if every pair had been run alone.   computed_tokens_per_s: through the network.
    machine_flops: of this machine's matrix products in the model's own shapes, None for other models than Qwen3.
    machine_share: what part of it the run reached.
    """

    seconds: float
    prompt_tokens_per_s: float
    computed_tokens_per_s: float
    machine_flops: float | None = None
    machine_share: float | None = None


def measure_speed(reranker: Reranker) -> Speed:
    """One query over 16 documents of 100 words; new texts each time, so that no cache helps. Median of three."""
    generator = random.Random(0)
    reranker.rank(_text(generator, 8), [_text(generator, NUM_WORDS)])  # first calls are slower
    runs = sorted((_run(reranker, generator) for _ in range(NUM_RUNS)), key=lambda facts: facts.seconds)
    seconds = statistics.median(facts.seconds for facts in runs)
    usage = runs[len(runs) // 2].usage
    speed = Speed(seconds, usage.prompt_tokens / seconds, usage.computed_tokens / seconds)
    return speed if not isinstance(reranker.model, Qwen3Reranker) else _against_machine(speed, reranker.model)


def _run(reranker: Reranker, generator: random.Random) -> AnswerFacts:
    documents = [_text(generator, NUM_WORDS) for _ in range(NUM_DOCUMENTS)]
    return reranker.rank(_text(generator, 8), documents).facts


def _text(generator: random.Random, num_words: int) -> str:
    return " ".join(generator.choices(_VOCABULARY.split(), k=num_words))


def _against_machine(speed: Speed, model: Qwen3Reranker) -> Speed:
    network = model.network
    rate = matmul_rate(network.device, network.dtype, network.config.product_shapes)
    computed_tokens = round(speed.computed_tokens_per_s * speed.seconds)
    flop = network.config.product_flop(computed_tokens, NUM_DOCUMENTS)
    return dataclasses.replace(speed, machine_flops=rate, machine_share=flop / speed.seconds / rate)
