"""What a provider answered, checked field by field. Names differ, types may not: a doubt is an error, never a guess.

{"results": [...]} (Jina, Cohere, SiliconFlow, vLLM, finerank), {"data": [...]} (Voyage, Mixedbread),
{"output": {"results": [...]}} (DashScope), [...] (TEI); scores are `relevance_score` or `score`.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .failures import said_by

_MISSING: Final = object()


class UnusableAnswerError(Exception):
    """What is wrong with an answer, in words that continue "gave an answer that cannot be used: "."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What was said of one document; `log_odds` and what follows only by finerank servers.

    score: any finite number, most providers' in [0, 1]; NaN if `error`.
    """

    score: float
    log_odds: float | None = None
    num_tokens: int = 0
    is_truncated: bool = False
    window: tuple[int, int] | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """opinions: one for each text, in the order they were sent."""

    opinions: list[Opinion]
    model: str | None = None
    fingerprint: str | None = None
    instruction: str | None = None
    prompt_tokens: int = 0
    computed_tokens: int = 0
    warnings: tuple[str, ...] = field(default=())


def parse_json(content: bytes, content_type: str) -> Any:
    """Raises UnusableAnswerError."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        what = f"{content_type or 'no content type'}, {len(content):,} bytes"
        raise UnusableAnswerError(
            f"it is not JSON ({what}); is base_url the address of the API, and is no login page before it?"
        ) from None


def read_answer(body: Any, headers: Mapping[str, str], texts: Sequence[str]) -> Answer:
    """headers: with names in any case, as httpx has them.   texts: as they were sent.

    Raises UnusableAnswerError unless every text got exactly one opinion.
    """
    opinions: dict[int, Opinion] = {}
    for position, item in enumerate(_results(body)):
        where = f"results[{position}]"
        _add(opinions, _index(item, where, len(texts)), _opinion(item, where), where)
        _check_echo(item, _index(item, where, len(texts)), where, texts)
    for position, item in enumerate(_failures(body)):
        where = f"errors[{position}]"
        _add(opinions, _index(item, where, len(texts)), _failed(item), where)
    if len(opinions) != len(texts):
        missing = next(index for index in range(len(texts)) if index not in opinions)
        raise UnusableAnswerError(
            f"{len(texts)} documents were sent and {len(opinions)} came back; the first without a score is {missing}"
        )
    prompt_tokens = _prompt_tokens(body, headers)
    computed = _at(body, "computed_tokens")
    return Answer(
        opinions=[opinions[index] for index in range(len(texts))],
        model=_text(_at(body, "model")),
        fingerprint=_text(_at(body, "fingerprint")),
        instruction=_text(_at(body, "instruction")),
        prompt_tokens=prompt_tokens,
        computed_tokens=computed if _is_count(computed) else prompt_tokens,
        warnings=_warnings(body),
    )


def _results(body: Any) -> list[Any]:
    for place in ((), ("results",), ("data",), ("output", "results")):
        found = _at(body, *place)
        if isinstance(found, list):
            return found
    said = said_by(body) if isinstance(body, dict) else ""
    if said:
        raise UnusableAnswerError(f"it has no list of results, but says: {said}")
    names = (
        f"an object with {', '.join(map(str, list(body)[:6])) or 'nothing'}" if isinstance(body, dict) else "no list"
    )
    raise UnusableAnswerError(f"it has no list of results, but is {names}; is base_url the address of a rerank API?")


def _failures(body: Any) -> list[Any]:
    """finerank's documents without a score."""
    found = _at(body, "errors")
    return found if isinstance(found, list) else []


def _add(opinions: dict[int, Opinion], index: int, opinion: Opinion, where: str) -> None:
    if index in opinions:
        raise UnusableAnswerError(f"{where} has index {index}, which another one has already")
    opinions[index] = opinion


def _index(item: Any, where: str, count: int) -> int:
    index = _field(item, where, "index")
    if isinstance(index, bool) or not isinstance(index, int):
        raise UnusableAnswerError(f"{where}.index is {_shown(index)}, not a whole number")
    if not 0 <= index < count:
        raise UnusableAnswerError(f"{where}.index is {index}, but {count} documents were sent")
    return index


def _opinion(item: Any, where: str) -> Opinion:
    name = "relevance_score" if "relevance_score" in item else "score"
    log_odds, num_tokens, window = item.get("log_odds"), item.get("num_tokens"), item.get("window")
    return Opinion(
        score=_number(_field(item, where, name), f"{where}.{name}"),
        log_odds=None if log_odds is None else _number(log_odds, f"{where}.log_odds"),
        num_tokens=num_tokens if _is_count(num_tokens) else 0,
        is_truncated=item.get("is_truncated") is True,
        window=_span(window),
    )


def _failed(item: Any) -> Opinion:
    message = _text(item.get("message"))
    return Opinion(math.nan, error=message or "the server gave no score and no reason")


def _check_echo(item: Any, index: int, where: str, texts: Sequence[str]) -> None:
    """Some servers repeat the document. If it is another one of ours, the index is wrong.

    Texts of a call differ from each other. One that is none of ours was shortened or stripped, which is theirs to do.
    """
    echo = item.get("document", item.get("text"))
    echo = echo.get("text") if isinstance(echo, dict) else echo
    if isinstance(echo, str) and echo != texts[index] and echo in texts:
        raise UnusableAnswerError(f"{where} has index {index} and the text of document {texts.index(echo)}")


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnusableAnswerError(f"{where} is {_shown(value)}, not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise UnusableAnswerError(f"{where} is not a finite number")
    return number


def _field(item: Any, where: str, name: str) -> Any:
    if not isinstance(item, dict):
        raise UnusableAnswerError(f"{where} is {_shown(item)}, not an object")
    if name not in item:
        raise UnusableAnswerError(f"{where} has no {name}; it has {', '.join(map(str, list(item)[:6])) or 'nothing'}")
    return item[name]


_TOKENS_AT: Final = (
    ("usage", "prompt_tokens"),
    ("usage", "total_tokens"),
    ("tokens", "input_tokens"),
    ("meta", "tokens", "input_tokens"),
)


def _prompt_tokens(body: Any, headers: Mapping[str, str]) -> int:
    for place in _TOKENS_AT:
        found = _at(body, *place)
        if _is_count(found):
            return int(found)
    counted = headers.get("x-compute-tokens", "")  # TEI's
    return int(counted) if counted.isascii() and counted.isdigit() and len(counted) < 16 else 0


def _warnings(body: Any) -> tuple[str, ...]:
    """finerank's, or Cohere's."""
    for place in (("warnings",), ("meta", "warnings")):
        found = _at(body, *place)
        if isinstance(found, list):
            return tuple(each for each in found if isinstance(each, str))
    return ()


def _at(body: Any, *place: str) -> Any:
    for name in place:
        body = body.get(name, _MISSING) if isinstance(body, dict) else _MISSING
    return body


def _span(value: Any) -> tuple[int, int] | None:
    if isinstance(value, list) and len(value) == 2 and all(map(_is_count, value)):
        return (value[0], value[1])
    return None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _shown(value: Any) -> str:
    """A number as it is, of anything else the type: texts belong to users."""
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    return "a string" if isinstance(value, str) else "a list" if isinstance(value, list) else "an object"
