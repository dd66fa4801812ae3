"""From a model's name to a `Trainee`: the checkpoint, prompt and limits that `Reranker` has, on transformers' network."""

import re
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from ..errors import TrainingError, UnsupportedError
from ..models.pretrained import opening
from ..models.qwen3.config import Qwen3Config
from ..models.source import LoadOptions, Source, find, form_named, load_tokenizer
from ..prompt import PromptEncoder
from .packed_attention import PACKED
from .trainee import PairTrainee, Trainee, YesNoTrainee

ALL_LINEAR: Final = "all-linear"
_IN_A_LAYER: Final = re.compile(r"(?:^|\.)layers?\.\d+\.")
_HEADS: Final = ("classifier", "score", "pooler")
"""What stands behind the layers; small, and new where an embedder becomes a reranker, so it is trained whole."""


@dataclass(frozen=True, slots=True)
class Lora:
    """An update is alpha / rank · B A.   targets: last parts of the names of linear layers; none means all of them."""

    rank: int
    alpha: float
    targets: tuple[str, ...] = ()
    dropout: float = 0.0


@dataclass(frozen=True, slots=True)
class LoadedTrainee:
    """has_new_head: the checkpoint had no head to score with; it begins at random numbers."""

    trainee: Trainee
    source: Source
    has_new_head: bool


def load_trainee(name: str | None, options: LoadOptions, lora: Lora | None, *, seed: int = 0) -> LoadedTrainee:
    """A network that can learn.   lora: None trains every weight.

    Raises ModelError and its kinds, SettingsError, TrainingError for what cannot be trained here.
    """
    source = find(name, options)
    if source.checkpoint.adapter is not None:
        raise TrainingError(f"{name} is an adapter; merge it (finerank merge {name} --output FOLDER) and train that")
    torch.manual_seed(seed)  # heads and LoRA's A begin at random numbers
    with opening(source.checkpoint, options.trust_remote_code):
        if source.checkpoint.architecture in ("qwen3_yes_no", "qwen3_classifier"):
            return _load_qwen3(source, lora)
        return _load_pair(source, lora)


def _load_qwen3(source: Source, lora: Lora | None) -> LoadedTrainee:
    from transformers import Qwen3ForCausalLM, Qwen3ForSequenceClassification

    checkpoint, options = source.checkpoint, source.options
    config = Qwen3Config.from_dict(checkpoint.config)
    encoder = PromptEncoder(
        load_tokenizer(checkpoint.path, config.vocab_size),
        form_named(options.prompt_form),
        max_length=min(options.max_length, config.max_positions),
        parse_control_tokens=options.parse_control_tokens,
    )
    is_classifier = checkpoint.architecture == "qwen3_classifier"
    kind = Qwen3ForSequenceClassification if is_classifier else Qwen3ForCausalLM
    network = kind.from_pretrained(
        checkpoint.path, dtype=source.dtype.dtype, attn_implementation=PACKED, local_files_only=True
    ).to(source.device)
    adapted = _adapted(network, lora, source)
    yes, no = checkpoint.answer_ids or (encoder.yes_id, encoder.no_id)
    if is_classifier:
        yes, no = checkpoint.yes_label, 1 - checkpoint.yes_label

    def direction() -> Tensor:
        rows: Tensor = (network.score if is_classifier else network.lm_head).weight
        return rows[0].float() if len(rows) == 1 else rows[yes].float() - rows[no].float()

    return LoadedTrainee(YesNoTrainee(adapted, network.model, encoder, direction), source, has_new_head=False)


def _load_pair(source: Source, lora: Lora | None) -> LoadedTrainee:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    checkpoint, options = source.checkpoint, source.options
    is_new = checkpoint.architecture == "embedder"
    network = AutoModelForSequenceClassification.from_pretrained(
        checkpoint.path,
        dtype=torch.float32 if is_new else source.dtype.dtype,
        attn_implementation=PACKED,
        local_files_only=True,
        trust_remote_code=options.trust_remote_code,
        **({"num_labels": 1} if is_new else {}),
    ).to(source.device)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # a step in pieces is the same step
    tokenizer = AutoTokenizer.from_pretrained(checkpoint.path, local_files_only=True)
    max_length = min(options.max_length, int(network.config.max_position_embeddings))
    adapted = _adapted(network, lora, source)
    trainee = PairTrainee(adapted, network, tokenizer, max_length, checkpoint.labels, checkpoint.yes_label)
    return LoadedTrainee(trainee, source, has_new_head=is_new)


def _adapted(network: Any, lora: Lora | None, source: Source) -> Any:
    """PEFT's network, with LoRA on the linear layers and the heads trained whole; the network itself without LoRA."""
    network.train()
    if lora is None:
        return network
    from peft import LoraConfig, get_peft_model

    names = sorted({name.rpartition(".")[2] for name, _ in _linears(network)})
    unknown = [target for target in lora.targets if target not in names]
    if unknown:
        raise UnsupportedError(
            f"there is no linear layer {unknown[0]!r} in {source.name}; there are {', '.join(names)}"
        )
    wanted = lora.targets or tuple(names)
    heads = [name for name in _HEADS if any(part.rpartition(".")[2] == name for part, _ in network.named_modules())]
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=rf".*\.layers?\.\d+\..*({'|'.join(map(re.escape, wanted))})",
        modules_to_save=heads or None,
        task_type="SEQ_CLS" if heads else "CAUSAL_LM",
        base_model_name_or_path=source.name,
        revision=source.revision,
    )
    return get_peft_model(network, config)


def _linears(network: nn.Module) -> list[tuple[str, nn.Linear]]:
    """Those inside the layers."""
    return [
        (name, module)
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and _IN_A_LAYER.search(name)
    ]
