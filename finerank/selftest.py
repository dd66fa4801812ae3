"""Does the loaded model behave like a reranker? A few known texts, checked when a model is loaded.

Mechanical checks find a broken set-up (a prompt without its end, scores that depend on neighbours); semantic ones
find a wrong model (a base language model, swapped labels, damaged weights), which no shape check can see.
"""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from .errors import FinerankWarning, SelfTestError, SettingsError
from .types import SelfTestMode

if TYPE_CHECKING:
    from .reranker import Reranker

_NEIGHBOUR_TOLERANCE: Final = {"float32": 1e-4, "bfloat16": 0.5, "float16": 0.1}
"""Log-odds between a pair alone and in company. Rounding alone stays far below; a mask that leaks does not."""
_UNKNOWN_TOLERANCE: Final = 0.5
"""Of a provider's model, whose dtype nobody tells."""


@dataclass(frozen=True, slots=True)
class GoldenCase:
    """`best` is the index of the document that answers the query; no other one does."""

    query: str
    documents: tuple[str, ...]
    best: int


GOLDEN_CASES: Final = (
    GoldenCase(
        "How does gradient descent find a minimum?",
        (
            "Bread rises because yeast turns sugar into carbon dioxide.",
            "Gradient descent repeats small steps against the gradient of the loss until the loss stops falling.",
            "The museum is closed on Mondays and on public holidays.",
        ),
        1,
    ),
    GoldenCase(
        "What does alarm E07 mean?",
        (
            "E07: the signal of the hydraulic pressure sensor is out of range. Check the plug and the cable.",
            "Wear safety glasses and gloves when you change the oil filter.",
            "The warranty covers parts and labour for two years.",
        ),
        0,
    ),
    GoldenCase(
        "capital of Australia",
        (
            "Sydney is famous for its opera house and its harbour bridge.",
            "Kangaroos can cover nine metres in a single leap.",
            "Canberra was chosen as the capital of Australia in 1908.",
        ),
        2,
    ),
    GoldenCase(
        "How long may a non-compete clause bind a former employee?",
        (
            "An employer must give the employee a written statement of the main terms of the contract.",
            "A covenant not to compete binds a former employee for at most two years after the contract ends.",
            "The court may appoint an expert when facts need special knowledge.",
        ),
        1,
    ),
    GoldenCase(
        "read a CSV file that does not fit into memory",
        (
            "Pass chunksize to pandas.read_csv and it yields the rows of a large file piece by piece.",
            "Use matplotlib to draw a bar chart with a legend.",
            "The printer accepts A4 and letter paper.",
        ),
        0,
    ),
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.   is_semantic: about meaning, not mechanics."""

    name: str
    is_passed: bool
    detail: str
    is_semantic: bool = False


@dataclass(frozen=True, slots=True)
class SelfTestReport:
    checks: tuple[Check, ...]

    @property
    def failures(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.is_passed)

    @property
    def is_passed(self) -> bool:
        return not self.failures


def run_self_test(reranker: "Reranker", mode: SelfTestMode) -> SelfTestReport:
    """Mechanical checks in every mode, semantic ones unless "off".

    A mechanical failure raises SelfTestError, except in "off", where it warns. A semantic failure warns in "warn" and
    raises in "require".
    """
    if mode not in ("off", "warn", "require"):
        raise SettingsError(f"self_test is {mode!r}; give 'off', 'warn' or 'require'")
    if reranker.info.kind == "remote" and mode != "require":
        return SelfTestReport(())  # every score there may cost money
    report = run_checks(reranker, with_meaning=mode != "off")
    for check in report.failures:
        message = f"self-test of {reranker.info.name}: {check.name}: {check.detail}"
        if mode == "require" or (mode == "warn" and not check.is_semantic):
            raise SelfTestError(message)
        warnings.warn(message, FinerankWarning, stacklevel=4)
    return report


def run_checks(reranker: "Reranker", *, with_meaning: bool = True) -> SelfTestReport:
    """All checks, without raising. Those of meaning are left out where mechanical ones fail: they would say nothing."""
    checks = [*reranker.model.self_checks(), *_score_checks(reranker)]
    if with_meaning and all(check.is_passed for check in checks):
        checks.append(_golden_check(reranker))
    return SelfTestReport(tuple(checks))


def _score_checks(reranker: "Reranker") -> list[Check]:
    """Scores are numbers, and a neighbour in the batch does not change them."""
    case = GOLDEN_CASES[0]
    pair = (case.query, case.documents[case.best])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FinerankWarning)  # a NaN is reported by the check itself
        alone = reranker.log_odds([pair])
        together = reranker.log_odds([(case.query, text) for text in case.documents])
    is_finite = bool(np.isfinite(together).all() and np.isfinite(alone).all())
    checks = [Check("finite scores", is_finite, f"log-odds {[round(float(x), 3) for x in together]}")]
    if is_finite:
        difference = abs(float(alone[0]) - float(together[case.best]))
        limit = _NEIGHBOUR_TOLERANCE.get(reranker.info.dtype, _UNKNOWN_TOLERANCE)
        detail = f"log-odds alone and in company differ by {difference:.2g}, at most {limit} is rounding"
        checks.append(Check("neighbours do not change a score", difference <= limit, detail))
    return checks


def _golden_check(reranker: "Reranker") -> Check:
    """The right document is first in all golden cases but one at most: a small model may miss one."""
    pairs = [(case.query, text) for case in GOLDEN_CASES for text in case.documents]
    log_odds = reranker.log_odds(pairs).reshape(len(GOLDEN_CASES), -1)
    wrong = [case.query for case, row in zip(GOLDEN_CASES, log_odds, strict=True) if int(row.argmax()) != case.best]
    detail = f"{len(GOLDEN_CASES) - len(wrong)} of {len(GOLDEN_CASES)} known texts are ranked sensibly"
    if wrong:
        detail += (
            f", not {'; '.join(repr(query) for query in wrong)}; is this a reranker, and is its prompt the right one?"
        )
    return Check("known texts", len(wrong) <= 1, detail, is_semantic=True)
