"""Classic cross-encoders (bge-reranker, gte-multilingual-reranker, ms-marco-MiniLM...) through sentence-transformers.

sentence-transformers loads them and runs their forward pass; the pair is tokenised here, so that only the document
is ever cut, and a cut is known.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..errors import UnsupportedError
from ..texts import Window, windows_of
from ..types import ModelInfo
from .base import BatchResult, EncodedPair, PairModel
from .checkpoint import Checkpoint
from .lora import WRAPPER, LoraMerged, is_plain_lora
from .pretrained import check_room, count_tokens, document_offsets, opening, refuse_missing_head
from .tensors import SafetensorsFolder, Spec

if TYPE_CHECKING:
    from .source import Source


class ClassicCrossEncoder(PairModel):
    """log_odds = the raw logit, or logit(yes) - logit(no) of a model with two labels.

    encoder: a loaded sentence_transformers.CrossEncoder.
    """

    def __init__(self, info: ModelInfo, encoder: Any, *, labels: int, yes_label: int) -> None:
        self.info = info
        self._encoder = encoder
        self._tokenizer = encoder.tokenizer
        self._labels = labels
        self._yes_label = yes_label

    def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[EncodedPair]:
        room = self._room(query)
        counts = count_tokens(self._tokenizer, documents)
        features = self._tokenizer(
            [query] * len(documents), list(documents), truncation="only_second", max_length=self.info.max_length
        )
        return [
            EncodedPair(
                payload={key: values[index] for key, values in features.items()},
                own_tokens=len(features["input_ids"][index]),
                num_tokens=count,
                is_truncated=count > room,
            )
            for index, count in enumerate(counts)
        ]

    def windows(
        self, query: str, document: str, instruction: str | None, max_tokens: int | None, overlap: float
    ) -> list[Window]:
        room = self._room(query)
        size = min(room, max_tokens or room)
        return windows_of(document_offsets(self._tokenizer, document), len(document), size, overlap)

    @torch.inference_mode()
    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        features = self._tokenizer.pad([pair.payload for pair in pairs], return_tensors="pt")
        scores = self._encoder({key: value.to(self._encoder.device) for key, value in features.items()})["scores"]
        logits = scores.float().view(len(pairs), self._labels)
        log_odds = logits[:, 0] if self._labels == 1 else logits[:, self._yes_label] - logits[:, 1 - self._yes_label]
        return BatchResult(log_odds.cpu().numpy(), features["input_ids"].numel())

    def _room(self, query: str) -> int:
        """Tokens of a document that fit beside `query`."""
        (count,) = count_tokens(self._tokenizer, [query])
        special = self._tokenizer.num_special_tokens_to_add(pair=True)
        return check_room(count + special, self.info.max_length)


def load_cross_encoder(source: "Source", weights: str) -> ClassicCrossEncoder:
    """Raises UnsupportedError if its code must run and may not, DamagedError if its head is in neither checkpoint nor
    adapter, or if the adapter is not of this model.
    """
    from sentence_transformers import CrossEncoder

    checkpoint = source.checkpoint
    # An embedder's config.json tells of no labels.
    config = {} if checkpoint.adapter is None else {"num_labels": checkpoint.labels}
    with opening(checkpoint, source.options.trust_remote_code):
        encoder = CrossEncoder(
            str(checkpoint.path),
            device=str(source.device),
            local_files_only=True,
            trust_remote_code=source.options.trust_remote_code,
            model_kwargs={"dtype": source.dtype.dtype},
            config_kwargs=config,
        )
        _refuse_random_head(checkpoint, encoder.model)
        if checkpoint.adapter is not None:
            _merge_adapter(encoder, checkpoint, *checkpoint.adapter)
    encoder.eval()
    max_length = min(source.options.max_length, encoder.max_seq_length or source.options.max_length)
    info = source.info("cross_encoder", max_length=max_length, default_instruction=None, weights=weights)
    return ClassicCrossEncoder(info, encoder, labels=checkpoint.labels, yes_label=checkpoint.yes_label)


def _refuse_random_head(checkpoint: Checkpoint, model: Any) -> None:
    """transformers fills a head that the checkpoint lacks with random numbers; its scores would be noise."""
    stored = SafetensorsFolder(checkpoint.path).names()
    if checkpoint.adapter is not None:
        stored |= {name.removeprefix(WRAPPER) for name in SafetensorsFolder(checkpoint.adapter[0]).names()}
    body = model.base_model_prefix + "."
    names = (name for name, _ in model.named_parameters() if not name.startswith(body))
    refuse_missing_head(checkpoint.path, [name for name in names if name not in stored])


def _merge_adapter(encoder: Any, checkpoint: Checkpoint, adapter: Path, config: Mapping[str, Any]) -> None:
    try:
        from peft import PeftModel
    except ImportError:
        raise UnsupportedError(
            "a LoRA adapter over a classic cross-encoder that is no plain BERT needs peft: pip install peft"
        ) from None
    if is_plain_lora(config):  # else peft alone can tell what fits
        LoraMerged(_TensorsOf(encoder.model), SafetensorsFolder(adapter), config, str(checkpoint.path))
    merged = PeftModel.from_pretrained(encoder.model, str(adapter)).merge_and_unload()
    encoder[0].model = merged


class _TensorsOf:
    """A loaded network's tensors, under the names that peft knows."""

    def __init__(self, network: Any) -> None:
        self._tensors: dict[str, torch.Tensor] = network.state_dict()

    def names(self) -> set[str]:
        return set(self._tensors)

    def spec(self, name: str) -> Spec:
        return Spec(tuple(self._tensors[name].shape), self._tensors[name].dtype)

    def get(self, name: str) -> torch.Tensor:
        return self._tensors[name]
