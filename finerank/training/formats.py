"""A row of a file as an example: finerank's own lines, and ms-swift's messages.

A row says itself what it is, by its keys. What it holds is checked for its type only; whether it makes sense to train
on it is checking.py's question.
"""

import difflib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from ..errors import InputError
from ..evaluation.labelled import PairFields
from .examples import Candidate, Example

RowFormat: TypeAlias = Literal["jsonl", "messages", "labelled"]
Row: TypeAlias = Mapping[str, Any]

EXPECTED: Final = (
    'training data is {"query", "positives", "negatives"} a line, ms-swift\'s {"messages", "positive_messages", '
    '"negative_messages"} a line, pairs with query, document and label (.csv, .jsonl, .json), or a BEIR folder'
)
_KEYS: Final[dict[RowFormat, tuple[str, ...]]] = {
    "jsonl": ("query", "positives", "negatives", "instruction", "positive_scores", "negative_scores"),
    "messages": ("messages", "positive_messages", "negative_messages"),
}
_TELLING: Final[dict[RowFormat, tuple[str, ...]]] = {"jsonl": ("positives", "negatives"), "messages": _KEYS["messages"]}
_OTHERS_NAMES: Final = {
    "pos": "positives", "positive": "positives", "response": "positives", "passage": "positives",
    "neg": "negatives", "negative": "negatives", "rejected_response": "negatives", "hard_negatives": "negatives",
    "pos_scores": "positive_scores", "neg_scores": "negative_scores",
    "prompt": "instruction", "system": "instruction", "task": "instruction",
}  # fmt: skip
"""What FlagEmbedding, sentence-transformers and older ms-swift call the same thing."""
_MEDIA: Final = ("images", "videos", "audios")


def format_of_row(row: Row, place: str, fields: PairFields) -> RowFormat | None:
    """By its keys; None if they are of no format. Raises InputError if they are of several."""
    filled = {key for key, value in row.items() if value is not None}
    found = _formats_of(filled, fields) or _formats_of(set(row), fields)
    if len(found) > 1:
        raise InputError(f"{place} is of several formats at once, with the keys {', '.join(row)}; {EXPECTED}")
    return found[0] if found else None


def _formats_of(keys: set[str], fields: PairFields) -> list[RowFormat]:
    found: list[RowFormat] = [name for name, telling in _TELLING.items() if keys.intersection(telling)]
    if {fields.query, fields.document, fields.label} <= keys:
        found.append("labelled")
    return found


def unknown_row(row: Row, place: str) -> InputError:
    """What to raise for a row whose keys are of no format."""
    named = ", ".join(str(key) for key in row) or "nothing"
    remedy = next((f"; call {key!r} {_OTHERS_NAMES[key]!r}" for key in row if key in _OTHERS_NAMES), "")
    return InputError(f"{place} has {named}; {EXPECTED}{remedy}")


class ExampleMaker:
    """Rows of one format, as examples. Equal documents are kept once, however many queries have them.

    ignored: how often a key stood there that means nothing here.
    """

    def __init__(self) -> None:
        self.ignored: Counter[str] = Counter()
        self._texts: dict[str, str] = {}
        self._candidates: dict[float, dict[str, Candidate]] = {}
        self._makers: dict[RowFormat, Callable[[Row, str], Example]] = {
            "jsonl": self._from_jsonl,
            "messages": self._from_messages,
        }

    def example(self, form: RowFormat, row: Row, place: str) -> Example:
        """Raises InputError naming the place."""
        for key in row:
            if key not in _KEYS[form]:
                if key not in self.ignored:
                    _refuse_other_name(key, form, place)
                self.ignored[key] += 1
        return self._makers[form](row, place)

    def shared(self, text: str) -> str:
        """The same object for equal texts."""
        return self._texts.setdefault(text, text)

    def candidate(self, text: str, label: float, teacher: float | None = None) -> Candidate:
        if teacher is not None:
            return Candidate(self.shared(text), label, teacher)
        of_label = self._candidates.setdefault(label, {})
        found = of_label.get(text)
        if found is None:
            text = self.shared(text)
            found = of_label[text] = Candidate(text, label)
        return found

    def instruction(self, value: Any, place: str) -> str | None:
        """None for one that is not there, or blank."""
        text = "" if value is None else text_of(value, "instruction", place)
        return self.shared(text) if text.strip() else None

    def _from_jsonl(self, row: Row, place: str) -> Example:
        if row.get("query") is None:
            raise InputError(f"{place} has no 'query'; it needs query, positives and negatives")
        candidates = (
            *self._candidates_of(row, "positives", "positive_scores", 1.0, place),
            *self._candidates_of(row, "negatives", "negative_scores", 0.0, place),
        )
        query = text_of(row["query"], "query", place)
        return Example(query, candidates, self.instruction(row.get("instruction"), place), place)

    def _candidates_of(self, row: Row, key: str, scores_key: str, label: float, place: str) -> Iterator[Candidate]:
        texts = [text_of(text, f"{key}[{number}]", place) for number, text in enumerate(_list(row, key, place))]
        scores = [_score(each, f"{scores_key}[{n}]", place) for n, each in enumerate(_list(row, scores_key, place))]
        if not scores:
            scores = [None] * len(texts)
        if len(scores) != len(texts):
            raise InputError(f"{place}: {scores_key} has {len(scores)} scores for the {len(texts)} texts of {key}")
        return (self.candidate(text, label, score) for text, score in zip(texts, scores, strict=True))

    def _from_messages(self, row: Row, place: str) -> Example:
        """The nearest instruction counts: a document's own, else the query's.

        Source: ms-swift, docs/source_en/BestPractices/Reranker.md, "Advanced" (rev 0417d82).
        """
        query, general = _conversation(row.get("messages"), "messages", ("user",), place)
        candidates: list[Candidate] = []
        instructions: dict[str | None, None] = {}
        for key, label in (("positive_messages", 1.0), ("negative_messages", 0.0)):
            for number, messages in enumerate(_list(row, key, place)):
                text, own = _conversation(messages, f"{key}[{number}]", ("user", "assistant"), place)
                instructions[self.instruction(general if own is None else own, place)] = None
                candidates.append(self.candidate(text, label))
        if len(instructions) > 1:
            raise InputError(
                f"{place}: its documents have {len(instructions)} different instructions (system messages); give each "
                "instruction a line of its own"
            )
        return Example(query, tuple(candidates), next(iter(instructions), self.instruction(general, place)), place)


def text_of(value: Any, what: str, place: str) -> str:
    """Raises InputError if it is none. A lone surrogate can be written in JSON, but no model can read it: replaced."""
    if not isinstance(value, str):
        raise InputError(f"{place}: {what} is {_kind(value)}; it must be a text")
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def _list(row: Row, key: str, place: str) -> Sequence[Any]:
    """Empty if the key is not there."""
    value = row.get(key)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise InputError(f"{place}: {key} is {_kind(value)}; it must be a list")
    return value


def _score(value: Any, what: str, place: str) -> float | None:
    """None = not scored."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{place}: {what} is {_kind(value)}; it must be a number, the teacher's log-odds")
    try:
        return float(value)
    except OverflowError:
        raise InputError(f"{place}: {what} has {len(str(value))} digits; it must be log-odds") from None


def _conversation(messages: Any, what: str, roles: tuple[str, ...], place: str) -> tuple[str, str | None]:
    """(the one text, the instruction before it or None)."""
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
        shape = '[{"role": "' + roles[-1] + '", "content": "..."}]'
        raise InputError(f"{place}: {what} is {_kind(messages)}; it must be a list of messages, such as {shape}")
    found = [each.get("role") for each in messages]
    has_system = found[:1] == ["system"]
    if len(found) != 1 + has_system or found[-1] not in roles:
        named = ", ".join(map(str, found)) or "nobody"
        raise InputError(
            f"{place}: {what} has messages of {named}; it needs one of {' or '.join(roles)}, and before it at most one "
            "of system"
        )
    texts = [text_of(each.get("content"), f"content of {what}", place) for each in messages]
    return texts[-1], texts[0] if has_system else None


def _refuse_other_name(key: str, form: RowFormat, place: str) -> None:
    """A key that means something, but is called otherwise here, would be left out in silence."""
    if key.removeprefix("positive_").removeprefix("negative_") in _MEDIA:
        raise InputError(f"{place} has {key!r}; finerank trains on texts only")
    known = [name for name in _KEYS[form] if name == _OTHERS_NAMES.get(key)]
    known += difflib.get_close_matches(key, _KEYS[form], 1, 0.85)
    if known:
        raise InputError(f"{place} has the unknown key {key!r}; call it {known[0]!r}")


def _kind(value: Any) -> str:
    return "missing" if value is None else f"a JSON {type(value).__name__}"
