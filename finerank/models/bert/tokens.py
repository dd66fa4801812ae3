"""Texts to token ids as transformers' BertTokenizer makes them, without it."""

import json
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from tokenizers import Tokenizer

from ...errors import UnsupportedError
from ...prompt import TokenIds, without_added_tokens
from ..token_counter import FastCounter, special_ids

_CLASSES: Final = (None, "BertTokenizer", "BertTokenizerFast")


class PairIds(NamedTuple):
    """ids: `[CLS] query [SEP] document [SEP]`.   num_first: how many of them are the query's side, of token type 0."""

    ids: "array[int]"
    num_first: int

    @property
    def types(self) -> list[int]:
        return [0] * self.num_first + [1] * (len(self.ids) - self.num_first)


class BertTokens:
    """start_ids, end_ids: `[CLS]` and `[SEP]`, which stand around a text and are never cut off.

    parse_control_tokens: read `[SEP]` and its like in texts as control tokens, as the reference does.
    Raises UnsupportedError for a tokenizer that BertTokenizer would not make of these files.
    """

    def __init__(self, tokenizer: Tokenizer, config: Mapping[str, Any], *, parse_control_tokens: bool) -> None:
        _refuse_others(json.loads(tokenizer.to_str()), config)
        self.start_ids, self.end_ids = special_ids(tokenizer)
        self._whole = tokenizer
        self._tokenizer = tokenizer if parse_control_tokens else without_added_tokens(tokenizer)
        self.counter = FastCounter(self._tokenizer)

    @property
    def num_special(self) -> int:
        return len(self.start_ids) + len(self.end_ids)

    @property
    def num_special_of_pair(self) -> int:
        return self.num_special + len(self.end_ids)

    def ids(self, texts: Sequence[str]) -> list[TokenIds]:
        """Without special tokens and without a limit."""
        return [tuple(each.ids) for each in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def framed(self, ids: TokenIds) -> "array[int]":
        """With the special tokens around."""
        return array("i", (*self.start_ids, *ids, *self.end_ids))

    def pairs(self, query: TokenIds, documents: Sequence[TokenIds]) -> list[PairIds]:
        """Each document beside the query, nothing cut."""
        first = (*self.start_ids, *query, *self.end_ids)
        return [PairIds(array("i", (*first, *ids, *self.end_ids)), len(first)) for ids in documents]

    def whole_pair(self, query: str, document: str) -> PairIds:
        """As the tokenizer itself puts the two together, for checks against `pairs`. Control tokens are parsed."""
        encoding = self._whole.encode(query, document)
        return PairIds(array("i", encoding.ids), len(encoding.type_ids) - sum(encoding.type_ids))

    def refuse_unless_paired(self) -> None:
        """Raises UnsupportedError for a tokenizer that puts two texts together in any other way."""
        query, document = self.ids(["a", "b"])
        if self.pairs(query, [document]) != [self.whole_pair("a", "b")]:
            raise UnsupportedError("this tokenizer does not put pairs together as BERT's does")


def _refuse_others(state: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """state: of tokenizer.json.   config: tokenizer_config.json, by which transformers makes a BERT tokenizer anew."""
    model = state["model"]
    expected = {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": config.get("tokenize_chinese_chars", True),
        "strip_accents": config.get("strip_accents"),
        "lowercase": config.get("do_lower_case", True),
    }
    is_one = {
        "class": config.get("tokenizer_class") in _CLASSES,
        "normalizer": state["normalizer"] == expected,
        "pre-tokenizer": state["pre_tokenizer"] == {"type": "BertPreTokenizer"},
        "model": (model["type"], model.get("continuing_subword_prefix"), model.get("max_input_chars_per_word"))
        == ("WordPiece", "##", 100),
        "list of added tokens": all(token["special"] for token in state["added_tokens"]),
    }
    others = [part for part, is_right in is_one.items() if not is_right]
    if others:
        raise UnsupportedError(f"the {others[0]} of this tokenizer is not that of a plain BERT tokenizer")
