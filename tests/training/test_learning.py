"""Does it learn? A tiny random Qwen3 on a task that only comparing the query with the document solves."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from finerank.models.source import LoadOptions
from finerank.training.backward import Backward
from finerank.training.examples import Example
from finerank.training.groups import GroupSampler
from finerank.training.loading import load_trainee
from finerank.training.losses import LOSSES
from finerank.training.run_state import RunFolder
from finerank.training.trainee import Trainee
from finerank.training.trainer import Schedule, Trainer

from ..conftest import MakeQwen3
from .matching import Matching, save_tokenizer

WRONG = 5
STEPS = 240
GROUPS = 16


@torch.no_grad()
def _ndcg_at_10(trainee: Trainee, questions: Sequence[Example], asked: Sequence[str]) -> float:
    """Mean over questions, of whose documents one is right, when `asked` stands in the place of their queries."""
    trainee.network.eval()
    total = 0.0
    for question, query in zip(questions, asked, strict=True):
        texts = [each.text for each in question.candidates]
        log_odds = trainee.log_odds(trainee.encode(query, texts, None))
        (right,) = (number for number, each in enumerate(question.candidates) if each.is_positive)
        rank = int((log_odds >= log_odds[right]).sum())  # the last of equals
        total += 1 / math.log2(rank + 1) if rank <= 10 else 0.0
    return total / len(questions)


@pytest.mark.slow
def test_a_tiny_model_learns_to_match(make_qwen3: MakeQwen3, tmp_path: Path) -> None:
    size = save_tokenizer(tmp_path)
    folder = make_qwen3(vocab_size=size, num_hidden_layers=2)
    save_tokenizer(folder)
    task = Matching()
    training, held_out = ({fact.name for fact in facts} for facts in (task.training, task.held_out))
    assert not training & held_out
    trainee = load_trainee(str(folder), LoadOptions(device="cpu", dtype="float32"), None).trainee
    questions = task.questions(60)
    queries = [question.query for question in questions]
    chance = sum(1 / math.log2(rank + 1) for rank in range(1, 11)) / 20  # a random order of 20
    assert _ndcg_at_10(trainee, questions, queries) == pytest.approx(chance, abs=0.1)
    Trainer(
        trainee,
        GroupSampler(task.examples(3000, wrong=WRONG), negatives=WRONG),
        Backward(trainee, LOSSES["group"], 20_000),
        Schedule(
            num_steps=STEPS,
            learning_rate=4e-3,
            warmup=20,
            groups=GROUPS,
            evaluate_every=STEPS,
            save_every=STEPS,
            patience=None,
        ),
        RunFolder(tmp_path / "run"),
    ).run({})
    assert _ndcg_at_10(trainee, questions, queries) > 0.95
    others = queries[7:] + queries[:7]
    assert _ndcg_at_10(trainee, questions, others) == pytest.approx(chance, abs=0.1)
