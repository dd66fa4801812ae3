"""Do queries and documents fit into the model?"""

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from statistics import median_low
from typing import Final

from .data_report import NUM_PLACES, Lengths
from .examples import Example
from .findings import Findings, quoted

_MOST_PAIRS: Final = 20_000
_AT_ONCE: Final = 1_000
"""Texts that go to the tokenizer together."""
_WORTH_SAYING: Final = 0.01
"""Share of cut documents from which on they are a warning."""


def check_lengths(
    examples: Sequence[Example],
    count_tokens: Callable[[list[str]], list[int]],
    room: int,
    findings: Findings,
    seed: int = 0,
) -> Lengths:
    """Of all pairs; of so many drawn at random if there are more than 20,000."""
    _check_queries(examples, count_tokens, room, findings)
    pairs = [(number, place) for number, each in enumerate(examples) for place in range(len(each.candidates))]
    if len(pairs) > _MOST_PAIRS:
        pairs = sorted(random.Random(f"{seed} lengths").sample(pairs, _MOST_PAIRS))
    queries = dict.fromkeys(examples[number].query for number, _ in pairs)
    documents = dict.fromkeys(examples[number].candidates[place].text for number, place in pairs)
    tokens = _counted([*queries, *documents], count_tokens)
    lengths = [
        tokens[examples[number].query] + tokens[examples[number].candidates[place].text] for number, place in pairs
    ]
    is_cut = [length > room for length in lengths]
    found = Lengths(room, len(pairs), sum(is_cut), median_low(lengths or [0]), max(lengths, default=0))
    if found.share_cut >= _WORTH_SAYING:
        places = (examples[number].place for (number, _), cut in zip(pairs, is_cut, strict=True) if cut)
        _add(findings, "many_cut", places, found.num_cut, f"{found.share_cut:.0%} of the documents")
    return found


def _check_queries(
    examples: Sequence[Example], count_tokens: Callable[[list[str]], list[int]], room: int, findings: Findings
) -> None:
    """All of them, since one that does not fit stops the run. A token is at least a byte, so few need be counted."""
    long = [each for each in examples if len(each.query) * 4 >= room and len(each.query.encode()) >= room]
    tokens = _counted(list(dict.fromkeys(each.query for each in long)), count_tokens)
    for each in long:
        if tokens[each.query] >= room:
            findings.add("query_too_long", f"{each.place}, {quoted(each.query)}")


def _counted(texts: Sequence[str], count_tokens: Callable[[list[str]], list[int]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for start in range(0, len(texts), _AT_ONCE):
        some = list(texts[start : start + _AT_ONCE])
        counts.update(zip(some, count_tokens(some), strict=True))
    return counts


def _add(findings: Findings, code: str, places: Iterator[str], count: int, detail: str) -> None:
    """So often, with the first places."""
    first = list(islice(dict.fromkeys(places), NUM_PLACES))
    findings.add(code, first[0], count=count - len(first) + 1, detail=detail)
    for place in first[1:]:
        findings.add(code, place, detail=detail)
