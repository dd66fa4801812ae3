"""What was found, in words and figures for people."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from .types import Evaluation, PairedTest, Stage

Verdict = Literal["help", "unclear", "hurt", "none"]

_NOTHING: Final = "\N{EN DASH}"
_MINUS: Final = "\N{MINUS SIGN}"
_SMALLEST_P: Final = 0.001


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reranked stage did.   sentence: `name` is the stage's own and stands between `before` and `after`."""

    name: str
    verdict: Verdict
    before: str
    after: str

    @property
    def sentence(self) -> str:
        return f"{self.before}{self.name}{self.after}"


def answers(evaluation: Evaluation) -> list[Answer]:
    """One for each reranked stage, the best first; if nothing was reranked, how good the first stage is."""
    first = stage_of(evaluation, "first")
    reranked = [stage for stage in evaluation.stages if stage.kind == "reranked"]
    if not evaluation.stages or not evaluation.metrics:
        return [Answer("", "none", "Nothing was evaluated.", "")]
    if first is None or not reranked:
        return [_reached(evaluation, stage) for stage in (reranked or evaluation.stages[:1])]
    metric = evaluation.metrics[0]
    ordered = sorted(reranked, key=lambda stage: -_or(stage.means.get(metric, math.nan), -math.inf))
    return [_answer(evaluation, first, stage) for stage in ordered]


def stage_of(evaluation: Evaluation, kind: str) -> Stage | None:
    """The first of that kind."""
    return next((stage for stage in evaluation.stages if stage.kind == kind), None)


def gains(evaluation: Evaluation, first: Stage, stage: Stage) -> dict[str, float]:
    """Query id -> by how much `stage` is better in the first metric, for queries where both have a value."""
    metric = evaluation.metrics[0]
    before, after = first.per_query.get(metric, {}), stage.per_query.get(metric, {})
    found = {query: after[query] - before[query] for query in before if query in after}
    return {query: gain for query, gain in found.items() if math.isfinite(gain)}


def paired_test(evaluation: Evaluation, a: str, b: str) -> PairedTest | None:
    """That of the first metric; turned round if it was made the other way."""
    for test in evaluation.tests:
        if test.metric == evaluation.metrics[0] and (test.a, test.b) == (a, b):
            return test
    for test in evaluation.tests:
        if test.metric == evaluation.metrics[0] and (test.a, test.b) == (b, a):
            turned = replace(test, a=a, b=b, difference=-test.difference, low=-test.high, high=-test.low)
            return replace(turned, wins=test.losses, losses=test.wins)
    return None


def figure(value: float | None, digits: int = 3) -> str:
    """With so many digits; a dash where there is none."""
    return _NOTHING if value is None or not math.isfinite(value) else _signed_zero(f"{value:.{digits}f}")


def signed(value: float | None, digits: int = 3) -> str:
    """As `figure`, with its sign; a real minus."""
    if value is None or not math.isfinite(value):
        return _NOTHING
    return _signed_zero(f"{value:+.{digits}f}").replace("-", _MINUS)


def p_value(value: float) -> str:
    """Such as "= 0.012", or "< 0.001"."""
    if not math.isfinite(value):
        return f"=\N{NO-BREAK SPACE}{_NOTHING}"
    return f"=\N{NO-BREAK SPACE}{value:.3f}" if value >= _SMALLEST_P else f"<\N{NO-BREAK SPACE}{_SMALLEST_P}"


def share(value: float) -> str:
    """In per cent."""
    return _NOTHING if not math.isfinite(value) else f"{100 * value:.0f} %"


def milliseconds(seconds: float | None) -> str:
    """Three digits, in ms or s."""
    if seconds is None or not math.isfinite(seconds):
        return _NOTHING
    if seconds >= 10.0:
        return f"{seconds:,.1f} s"
    return f"{1000 * seconds:,.0f} ms" if seconds >= 0.01 else f"{1000 * seconds:.2g} ms"


def as_words(value: object) -> str:
    """A setting's value: a string as it is, lists with commas, the rest as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(as_words, value)) or _NOTHING
    if value is None:
        return _NOTHING
    return json.dumps(value, ensure_ascii=False, default=str)


def counted(number: int, noun: str) -> str:
    """Such as "1 query", or "2,000 queries"."""
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def clipped(text: str, most: int) -> str:
    """On one line, and no longer than that."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most].rstrip()} \N{HORIZONTAL ELLIPSIS}"


def _answer(evaluation: Evaluation, first: Stage, stage: Stage) -> Answer:
    metric = evaluation.metrics[0]
    low, high = first.means.get(metric, math.nan), stage.means.get(metric, math.nan)
    differences = gains(evaluation, first, stage)
    test = paired_test(evaluation, first.name, stage.name)
    place = f" over {first.name} on {_place(evaluation)}"
    before = "Reranking with "
    if not differences or not math.isfinite(high - low):
        return Answer(stage.name, "none", before, f"{place}: no query has a value of {metric} to compare.")
    verdict = _verdict(high - low, test)
    doing = {
        "help": f" improves {metric} from {figure(low)} to {figure(high)}",
        "hurt": f" did not help: it lowers {metric} from {figure(low)} to {figure(high)}",
        "unclear": f" did not help for certain: {metric} goes from {figure(low)} to {figure(high)}",
        "none": f" changed nothing: {metric} stays at {figure(high)}",
    }[verdict]
    wins, losses, ties = _balance(differences.values(), test)
    balance = f"{counted(wins, 'query')} better, {losses:,} worse, {ties:,} equal"
    chance = ", which may be chance" if verdict == "unclear" else ""
    return Answer(stage.name, verdict, before, f"{doing} ({_evidence(high - low, test)}){place}{chance}; {balance}.")


def _verdict(difference: float, test: PairedTest | None) -> Verdict:
    if difference == 0.0:
        return "none"
    if test is None or not test.is_significant:
        return "unclear"
    return "help" if difference > 0.0 else "hurt"


def _evidence(difference: float, test: PairedTest | None) -> str:
    if test is None:
        return f"{signed(difference)}, not tested"
    interval = f"95 % interval {signed(test.low)} to {signed(test.high)}"
    corrected = "" if test.p_holm is None else " after Holm's correction"
    return f"{signed(difference)}, {interval}, p\N{NO-BREAK SPACE}{p_value(test.p_decisive)}{corrected}"


def _balance(differences: Iterable[float], test: PairedTest | None) -> tuple[int, int, int]:
    if test is not None:
        return test.wins, test.losses, test.ties
    values = list(differences)
    wins, losses = sum(value > 0.0 for value in values), sum(value < 0.0 for value in values)
    return wins, losses, len(values) - wins - losses


def _reached(evaluation: Evaluation, stage: Stage) -> Answer:
    metric = evaluation.metrics[0]
    words = f" reaches {metric} {figure(stage.means.get(metric))} on {_place(evaluation)}"
    missing = "nothing was reranked" if stage.kind != "reranked" else "there is no first stage to compare with"
    return Answer(stage.name, "none", "", f"{words}; {missing}.")


def _place(evaluation: Evaluation) -> str:
    return f"{evaluation.dataset.name} {evaluation.dataset.split}".strip()


def _or(value: float, otherwise: float) -> float:
    return value if math.isfinite(value) else otherwise


def _signed_zero(number: str) -> str:
    """Without the sign of a zero, which would say that something moved."""
    return number.lstrip("+-") if not number.strip("+-0.") else number
