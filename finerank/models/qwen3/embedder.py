"""Qwen3-Embedding on the packed Qwen3 network: a text's vector is the final hidden state of its last token."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from tokenizers import Tokenizer

from ...errors import TooLongError
from ...prompt import without_added_tokens
from ...texts import Window
from ..base import BatchResult, EncodedPair
from ..text_model import EmbedderInfo, TextModel
from ..text_prompts import TextKind, TextPrompts
from ..token_counter import FastCounter, special_ids
from .runner import PartKey, Runner

_PROBES: Final = ("word", " word", "", "\n", ".", "狐", "e\u0301", "👩‍👧", "7", ":", "\t\r\n x")
"""Beginnings of texts, to see whether a prompt may be cut where it is."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What stands before a text.

    parts: token ids that its texts share, the start tokens among them.   rest: what is encoded with each text.
    rest_tokens: of `rest` alone.
    """

    text: str
    parts: PartKey
    rest: str
    rest_tokens: int

    @property
    def shared_tokens(self) -> int:
        return sum(map(len, self.parts))


class TextEncoder:
    """Texts to token ids, as sentence-transformers makes them: prompt and text in one piece, special tokens around.

    max_length: of all of it. The special tokens (`<|endoftext|>`, whose state is the vector) are never cut off.
    parse_control_tokens: read `<|endoftext|>` and its like in texts as control tokens, as the reference does. Off by
    default: a text that quotes one would otherwise be read as something else.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_length: int, parse_control_tokens: bool = False) -> None:
        self.max_length = max_length
        self.start_ids, self.end_ids = special_ids(tokenizer)
        self._tokenizer = tokenizer if parse_control_tokens else without_added_tokens(tokenizer)
        self.counter = FastCounter(self._tokenizer)
        self.prompt = lru_cache(maxsize=256)(self._prompt)

    def encode(self, texts: Sequence[str], prompt: Prompt) -> "list[array[int]]":
        """What follows the shared part of `prompt`: its rest and the text, without the end, uncut."""
        encodings = self._tokenizer.encode_batch_fast([prompt.rest + text for text in texts], add_special_tokens=False)
        return [array("i", encoding.ids) for encoding in encodings]

    def _prompt(self, text: str) -> Prompt:
        """Cut after its last line break if tokens never reach over it, so that its beginning can be shared."""
        head, line_break, rest = text.rpartition("\n")
        shared = head + line_break
        if not rest or not all(self._is_seam(shared, rest + probe) for probe in _PROBES):
            shared, rest = "", text
        parts = (self.start_ids + tuple(self._ids(shared)),) if shared or self.start_ids else ()
        return Prompt(text, parts, rest, len(self._ids(rest)))

    def _is_seam(self, first: str, second: str) -> bool:
        return self._ids(first + second) == self._ids(first) + self._ids(second)

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids


class Qwen3Embedder(TextModel):
    """Texts of any number of callers in packed batches; the instruction of queries is computed once."""

    def __init__(self, info: EmbedderInfo, prompts: TextPrompts, encoder: TextEncoder, runner: Runner) -> None:
        self.info = info
        self.prompts = prompts
        self.encoder = encoder
        self.runner = runner

    def encode(self, texts: Sequence[str], kind: TextKind, instruction: str | None) -> list[EncodedPair]:
        encoder = self.encoder
        prompt = encoder.prompt(self.prompts.before(kind, instruction))
        room = encoder.max_length - prompt.shared_tokens - len(encoder.end_ids)
        if room <= prompt.rest_tokens:
            taken = prompt.shared_tokens + prompt.rest_tokens
            raise TooLongError(
                f"the prompt takes {taken} tokens and the end {len(encoder.end_ids)}, "
                f"but max_length is {encoder.max_length}; shorten the instruction or raise max_length"
            )
        return [self._item(ids, prompt, room) for ids in encoder.encode(texts, prompt)]

    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        """Raises torch's out-of-memory error if one text alone does not fit even in the smallest row blocks."""
        vectors = np.full((len(pairs), self.info.dimensions), np.nan, dtype=np.float32)
        # Only where the tokenizer adds no end token has an empty text no state to read.
        filled = [position for position, pair in enumerate(pairs) if len(pair.payload[1])]
        errors = dict.fromkeys(set(range(len(pairs))) - set(filled), "the text has no token to read a vector from")
        num_tokens = 0
        if filled:
            hidden, num_tokens = self.runner.run([pairs[position].payload for position in filled], self.on_pause)
            vectors[filled] = hidden.cpu().numpy()
        return BatchResult(vectors, num_tokens, errors)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self.encoder.counter.counts(texts)

    def token_offsets(self, text: str) -> list[Window]:
        return self.encoder.counter.offsets(text)

    def release_memory(self) -> None:
        self.runner.release_memory()

    def _item(self, ids: "array[int]", prompt: Prompt, room: int) -> EncodedPair:
        tail = ids[:room]
        tail.extend(self.encoder.end_ids)
        return EncodedPair(
            payload=(prompt.parts, tail),
            own_tokens=len(tail),
            num_tokens=max(0, len(ids) - prompt.rest_tokens),
            is_truncated=len(ids) > room,
            shared_key=prompt.parts,
            shared_tokens=prompt.shared_tokens,
        )
