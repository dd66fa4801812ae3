"""From a model's name to a `Trainee`: the checkpoint, prompt and limits of `Reranker`, on transformers' network."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import FinerankError, SettingsError, TrainingError, UnsupportedError
from ..models.pretrained import opening
from ..models.qwen3.config import Qwen3Config
from ..models.source import LoadOptions, Source, find, form_named, load_tokenizer
from ..prompt import PromptEncoder
from .packed_attention import PACKED
from .trainee import PairTrainee, Trainee, YesNoTrainee, first_position

ALL_LINEAR: Final = "all-linear"
_IN_A_LAYER: Final = r"(?:.*\.)?layers?\.\d+\.(?:.*\.)?"
_HEADS: Final = ("classifier", "score", "pooler", "head", "pre_classifier")
"""What stands behind the layers; small, and new where an embedder becomes a reranker, so it is trained whole."""
_PACKED_TOLERANCE: Final = {torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.02}
"""In log-odds: twenty times what was seen of rounding, far less than a network that packs wrongly differs by."""


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


def load_trainee(
    name: str | None,
    options: LoadOptions,
    lora: Lora | None,
    *,
    seed: int = 0,
    gradient_checkpointing: bool | None = False,
) -> LoadedTrainee:
    """A network that can learn.

    lora: None trains every weight, in float32: an update is smaller than what bfloat16 can add to a weight. With LoRA
    the weights that do not change are of `options.dtype`, those that learn are float32.
    gradient_checkpointing: keep a layer's input only and compute the layer once more for its gradients; a third more
    work for a fraction of the memory. None does so for Qwen3, where it is what decides whether a run fits.
    Raises ModelError and its kinds, SettingsError, TrainingError for what cannot be trained here.
    """
    source = find(name, options)
    if source.checkpoint.adapter is not None:
        raise TrainingError(f"{name} is an adapter; merge it (finerank merge {name} --output FOLDER) and train that")
    if lora is None and options.dtype not in ("auto", "float32", "fp32", "f32"):
        raise SettingsError(f"every weight is trained in float32, dtype is {options.dtype}; leave it out, or use LoRA")
    is_qwen3 = source.checkpoint.architecture in ("qwen3_yes_no", "qwen3_classifier")
    with opening(source.checkpoint, options.trust_remote_code), _quietly(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # heads and LoRA's A begin at random numbers
        loaded = (_load_qwen3 if is_qwen3 else _load_pair)(source, lora)
    if is_qwen3 if gradient_checkpointing is None else gradient_checkpointing:
        _checkpoint_gradients(loaded.trainee.network)
    loaded.trainee.network.train()
    return loaded


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
        checkpoint.path, dtype=_dtype(source, lora), attn_implementation=PACKED, local_files_only=True
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
        dtype=_dtype(source, lora),
        local_files_only=True,
        trust_remote_code=options.trust_remote_code,
        **({"num_labels": 1} if is_new else {}),
    ).to(source.device)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0  # a step in pieces is the same step
    tokenizer = AutoTokenizer.from_pretrained(checkpoint.path, local_files_only=True)
    positions = int(network.config.max_position_embeddings) - first_position(network.base_model)
    max_length = min(options.max_length, positions)
    if not is_new:  # an embedder's tokenizer may be set to a passage, a pair is longer
        max_length = min(max_length, tokenizer.model_max_length)
    adapted = _adapted(network, lora, source)
    trainee = PairTrainee(adapted, network, tokenizer, max_length, checkpoint.labels, checkpoint.yes_label)
    trainee.is_packed = _can_be_packed(trainee, network)
    return LoadedTrainee(trainee, source, has_new_head=is_new)


def _dtype(source: Source, lora: Lora | None) -> torch.dtype:
    return torch.float32 if lora is None else source.dtype.dtype


@torch.no_grad()
def _can_be_packed(trainee: PairTrainee, network: Any) -> bool:
    """Does the network say the same of two texts packed as it says of them padded? Leaves it as it can be used."""
    usual = network.config._attn_implementation
    trial = trainee.encode("how long is it", ["short", "one that is longer than any window " * 40], None)
    network.eval()
    expected = trainee.log_odds(trial)
    try:
        network.set_attn_implementation(PACKED)
        trainee.is_packed = True
        difference = float((trainee.log_odds(trial) - expected).abs().max())
        if difference <= _PACKED_TOLERANCE[network.dtype] * max(1.0, float(expected.abs().max())):
            return True
    except FinerankError:
        raise
    except Exception:  # a network that does not ask for its attention by name fails in any way
        pass
    network.set_attn_implementation(usual)
    return False


def _adapted(network: Any, lora: Lora | None, source: Source) -> Any:
    """PEFT's network, with LoRA on the linear layers and the heads trained whole; the network itself without LoRA."""
    if lora is None:
        return network
    from peft import LoraConfig, get_peft_model

    names = sorted({name.rpartition(".")[2] for name in _linears(network)})
    unknown = [target for target in lora.targets if target not in names]
    if unknown:
        raise UnsupportedError(
            f"there is no linear layer {unknown[0]!r} in {source.name}; there are {', '.join(names)}"
        )
    there = {name.rpartition(".")[2] for name, _ in network.named_modules()}
    heads = [name for name in _HEADS if name in there]
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=rf"{_IN_A_LAYER}({'|'.join(map(re.escape, lora.targets or names))})",
        modules_to_save=heads or None,
        task_type="SEQ_CLS" if heads else "CAUSAL_LM",
        revision=source.revision,
    )
    adapted = get_peft_model(network, config)
    config.base_model_name_or_path = source.name  # PEFT has put the folder there, which is elsewhere tomorrow
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    _mix_dtypes(network)
    return adapted


def _linears(network: nn.Module) -> list[str]:
    """Names of those inside the layers."""
    return [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear) and re.match(_IN_A_LAYER, name)
    ]


class _CastingLinear(nn.Linear):
    """Learns in float32, multiplies in the dtype of what it is given: as autocast, without its cost elsewhere."""

    def forward(self, rows: Tensor) -> Tensor:
        return F.linear(rows, self.weight.to(rows.dtype))


def _mix_dtypes(network: nn.Module) -> None:
    """LoRA multiplies in the dtype of the layers, heads in float32; all that learns is stored in float32.

    PEFT by itself would turn hidden states into float32 and back for every product with A and B.
    """
    for name, module in network.named_modules():
        if hasattr(module, "cast_input_dtype_enabled"):
            module.cast_input_dtype_enabled = False
        if isinstance(module, nn.Linear) and re.search(r"\.lora_[AB]\.", name):
            module.__class__ = _CastingLinear
        if name.endswith(".modules_to_save.default"):
            module.register_forward_pre_hook(lambda _, inputs: tuple(each.float() for each in inputs))


def _checkpoint_gradients(network: Any) -> None:
    network.config.use_cache = False  # else transformers says that it will not use it
    options = {"use_reentrant": False}  # the other kind knows nothing of `spans`
    if hasattr(network, "activation_checkpointing_enable"):  # its name from transformers 5.2x on
        network.activation_checkpointing_enable(activation_checkpointing_kwargs=options)
    else:
        network.gradient_checkpointing_enable(gradient_checkpointing_kwargs=options)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without transformers' report on a head that the checkpoint lacks, which is what is to be trained."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            # PEFT asks transformers for an attribute by its old name.
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
            yield
    finally:
        logging.set_verbosity(before)
