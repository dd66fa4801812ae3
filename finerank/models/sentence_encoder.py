"""Any sentence-transformers embedder as a `TextModel`: texts of like length together, packed products on a CPU."""

import logging
from collections.abc import Sequence
from typing import Any, Final

import torch
from tokenizers import Tokenizer
from torch import Tensor

from ..errors import FinerankError, TooLongError
from ..texts import Window
from .base import BatchResult, EncodedPair
from .packed_linears import pack_linears, replace_modules
from .pretrained import opening
from .source import Source
from .text_model import EmbedderInfo, TextModel
from .text_prompts import TextKind, TextPrompts
from .token_counter import counter_of

_log = logging.getLogger(__name__)

_PADDED_WASTE: Final = 1.25
"""Texts share a call of the network while padding takes no more than so many times their tokens."""
_TOLERANCE: Final = {torch.float32: 1e-5}
"""By how much packed products may move a vector of length 1; otherwise they are not used. 2e-7 was seen in fp32."""
_LOOSE_TOLERANCE: Final = 0.05
_PROBE: Final = ("A text of a few words.", "7", "Der Sensor meldet E07 und 液压 pressure " * 8)


class SentenceEncoder(TextModel):
    """encoder: a loaded sentence_transformers.SentenceTransformer, whose own prompts are used."""

    def __init__(self, info: EmbedderInfo, prompts: TextPrompts, encoder: Any) -> None:
        self.info = info
        self.prompts = prompts
        self._encoder = encoder
        self._counter = counter_of(encoder.tokenizer)
        # A static model adds none.
        is_bare = isinstance(encoder.tokenizer, Tokenizer)
        self._num_special = 0 if is_bare else int(encoder.tokenizer.num_special_tokens_to_add(pair=False))

    def encode(self, texts: Sequence[str], kind: TextKind, instruction: str | None) -> list[EncodedPair]:
        prompt = self.prompts.before(kind, instruction)
        (prompt_tokens,) = self._counter.counts([prompt])
        around = prompt_tokens + self._num_special
        room = self.info.max_length - around
        if room < 1:
            raise TooLongError(
                f"the prompt takes {around} tokens with the special ones, but the model reads {self.info.max_length}; "
                "shorten the instruction"
            )
        return [
            EncodedPair((kind, prompt, text), min(count, room) + around, count, is_truncated=count > room)
            for text, count in zip(texts, self._counter.counts(texts), strict=True)
        ]

    @torch.inference_mode()
    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        vectors: Tensor | None = None
        num_tokens = 0
        for positions in _alike(pairs):
            kind, prompt, _ = pairs[positions[0]].payload
            found = self._vectors(kind, prompt, [pairs[position].payload[2] for position in positions])
            if vectors is None:
                vectors = found.new_full((len(pairs), found.shape[1]), float("nan"))
            vectors[positions] = found
            num_tokens += sum(pairs[position].own_tokens for position in positions)
        assert vectors is not None  # a batch is never empty
        return BatchResult(vectors.numpy(), num_tokens)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._counter.counts(texts)

    def token_offsets(self, text: str) -> list[Window]:
        return self._counter.offsets(text)

    def release_memory(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _vectors(self, kind: TextKind, prompt: str, texts: list[str]) -> Tensor:
        """(N, D) fp32 on the CPU, as the model's modules give them.   prompt: "" is none, also no default one."""
        encode = {"query": self._encoder.encode_query, "document": self._encoder.encode_document}
        vectors: Tensor = encode.get(kind, self._encoder.encode)(
            texts, prompt=prompt, batch_size=len(texts), convert_to_tensor=True, show_progress_bar=False
        )
        return vectors.float().cpu()


def load_encoder(source: Source) -> tuple[Any, int]:
    """A SentenceTransformer, its products packed where that gives the same vectors; tokens that it reads of a text.

    Raises UnsupportedError if its code must run and may not, DamagedError if it cannot be loaded.
    """
    from sentence_transformers import SentenceTransformer

    with opening(source.checkpoint, source.options.trust_remote_code):
        encoder = SentenceTransformer(
            str(source.checkpoint.path),
            device=str(source.device),
            local_files_only=True,
            trust_remote_code=source.options.trust_remote_code,
            model_kwargs={"dtype": source.dtype.dtype},
        )
        encoder.eval()
        max_length = _limited(encoder, source.options.max_length)
        if source.device.type == "cpu":
            _pack(encoder, source.dtype.dtype)
    return encoder, max_length


def _limited(encoder: Any, max_length: int) -> int:
    """Lets the model read no more than `max_length` tokens; how many it reads."""
    tokenizer = encoder.tokenizer
    if isinstance(tokenizer, Tokenizer):  # a static model: its tokenizer alone may cut
        most = min(max_length, (tokenizer.truncation or {}).get("max_length", max_length))
        tokenizer.enable_truncation(most)
        return int(most)
    encoder.max_seq_length = min(max_length, encoder.max_seq_length or max_length)
    return int(encoder.max_seq_length)


def _alike(pairs: Sequence[EncodedPair]) -> list[list[int]]:
    """Places of the items that go through the network together: with one prompt, and of like length."""
    order = sorted(range(len(pairs)), key=lambda position: (pairs[position].payload[:2], -pairs[position].own_tokens))
    groups: list[list[int]] = []
    longest = num_tokens = 0
    for position in order:
        pair = pairs[position]
        num_tokens += pair.own_tokens
        has_prompt = bool(groups) and pairs[groups[-1][0]].payload[:2] == pair.payload[:2]
        if has_prompt and (len(groups[-1]) + 1) * longest <= _PADDED_WASTE * num_tokens:
            groups[-1].append(position)
        else:
            groups.append([position])
            longest = num_tokens = pair.own_tokens
    return groups


def _pack(encoder: Any, dtype: torch.dtype) -> None:
    """Packs the network's products, and takes that back if it cannot compute any more, or computes something else."""
    before = _probe(encoder)
    layers = pack_linears(encoder)
    try:
        difference = float((_probe(encoder) - before).abs().max())
    except FinerankError:
        raise
    except Exception as error:  # code of the network that looks at a layer's weight
        reason = type(error).__name__
    else:
        if difference <= _TOLERANCE.get(dtype, _LOOSE_TOLERANCE):
            return
        reason = f"vectors moved by {difference:.1e}"
    _log.info("packed products are not used for this model: %s", reason)
    replace_modules(encoder, layers)


@torch.inference_mode()
def _probe(encoder: Any) -> Tensor:
    vectors: Tensor = encoder.encode(list(_PROBE), convert_to_tensor=True, show_progress_bar=False)
    return torch.nn.functional.normalize(vectors.float(), dim=-1)
