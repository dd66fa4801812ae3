"""What the checker can find, how grave it is, and what to do about it."""

from dataclasses import dataclass
from typing import Final

from .data_report import NUM_PLACES, Problem, Severity

_SHOWN: Final = 50
"""Characters of a text in a message."""


@dataclass(frozen=True, slots=True)
class Kind:
    """message: with {n} for how many."""

    severity: Severity
    message: str


KINDS: Final = {
    "no_examples": Kind("error", "there is no example"),
    "one_class": Kind(
        "error",
        "all {n} documents are {detail}, so there is nothing to tell apart; give both kinds, or mine negatives "
        "(finerank mine)",
    ),
    "no_judged_negatives": Kind(
        "warning",
        "none of the {n} documents is a negative; they will be drawn at random, which is easy to learn and teaches "
        "little: mine hard ones (finerank mine)",
    ),
    "blank_query": Kind("error", "{n} examples have a blank query; delete them"),
    "blank_positive": Kind("error", "{n} positives are blank; delete them"),
    "blank_negative": Kind("warning", "{n} negatives are blank and teach only that; delete them"),
    "positive_among_negatives": Kind(
        "error", "{n} documents are both a positive and a negative of an example; delete them from one side"
    ),
    "contradicted": Kind(
        "error",
        "{n} negatives are a positive of another example with the same query; join these examples, or delete the "
        "negatives",
    ),
    "document_repeated": Kind("warning", "{n} documents stand twice in an example and count twice; delete one"),
    "query_repeated": Kind(
        "warning",
        "{n} examples have the query of another one, with other documents; if these are answers to the same question, "
        "join them, so that none is drawn as a negative of the other",
    ),
    "example_repeated": Kind("warning", "{n} examples stand there again, with the same documents; each counts"),
    "without_positives": Kind("warning", "{n} examples have no positive and are not trained on"),
    "without_negatives": Kind(
        "warning", "{n} examples have no negative; random ones take their place, hard ones teach more (finerank mine)"
    ),
    "few_negatives": Kind(
        "warning", "there are only {n} negatives for {detail} positives; about 8 to 1 is usual (finerank mine)"
    ),
    "held_out_empty": Kind("error", "the held-out examples ({detail}) have no positive, so nothing can be measured"),
    "leaked_query": Kind(
        "error",
        "{n} examples have a query that is held out too ({detail}), apart from case, white space and final "
        "punctuation, so the measurement would flatter; take them out of one of the two",
    ),
    "leaked_document": Kind(
        "warning",
        "{n} examples have a positive that is the answer to a held-out query too ({detail}); part of what is measured "
        "is memory of these documents",
    ),
    "query_too_long": Kind("error", "{n} queries leave no room for a document; raise max_length or shorten them"),
    "many_cut": Kind(
        "warning", "{detail} lose their end ({n} of those measured); raise max_length or cut them into passages"
    ),
    "score_not_finite": Kind("error", "{n} scores of the teacher are not finite; delete these examples"),
    "scores_missing": Kind("error", "{n} documents have no score of a teacher, which this loss needs"),
    "scores_in_part": Kind(
        "warning", "{n} examples have scores of a teacher for some documents only, and are trained on without"
    ),
    "scores_constant": Kind("error", "all {n} scores of the teacher are {detail}, from which nothing can be learned"),
    "scores_equal": Kind("warning", "in {n} examples all scores of the teacher are equal and say nothing"),
    "scores_look_like_probabilities": Kind(
        "warning",
        "all {n} scores of the teacher lie between 0 and 1 and look like probabilities; log-odds are expected, "
        "log(p / (1 - p))",
    ),
    "teacher_disagrees": Kind(
        "warning", "in {n} examples the teacher likes a negative better than every positive; look at a few"
    ),
}  # fmt: skip


class Findings:
    """Collects them: how often each was found, and where first."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self._places: dict[tuple[str, str], list[str]] = {}
        self._severity: dict[tuple[str, str], Severity] = {}

    def add(
        self, code: str, place: str = "", *, count: int = 1, detail: str = "", severity: Severity | None = None
    ) -> None:
        """detail: for the message; findings with different ones are told apart.   severity: None is its kind's."""
        key = (code, detail)
        self._counts[key] = self._counts.get(key, 0) + count
        places = self._places.setdefault(key, [])
        if place and len(places) < NUM_PLACES:
            places.append(place)
        if severity is not None:
            self._severity[key] = severity

    def problems(self) -> list[Problem]:
        """In the order of KINDS."""
        order = list(KINDS)
        return [
            Problem(
                self._severity.get(key, KINDS[key[0]].severity),
                key[0],
                KINDS[key[0]].message.format(n=f"{count:,}", detail=key[1]),
                count,
                tuple(self._places[key]),
            )
            for key, count in sorted(self._counts.items(), key=lambda item: order.index(item[0][0]))
        ]


def quoted(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return repr(line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}...")
