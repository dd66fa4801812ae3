"""The self-test lets good models through and says what is wrong with others."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from finerank import Reranker
from finerank.errors import FinerankWarning, SelfTestError, SettingsError
from finerank.models.base import BatchResult, EncodedPair, PairModel
from finerank.selftest import GOLDEN_CASES, Check, run_self_test
from finerank.texts import Window
from finerank.types import ModelInfo

BEST = {case.documents[case.best] for case in GOLDEN_CASES}


class Model(PairModel):
    """Scores come from `judge(document, how many documents are in the batch)`."""

    def __init__(self, judge: Callable[[str, int], float], checks: Sequence[Check] = ()) -> None:
        self.info = ModelInfo("test", "yes_no", "0" * 16, "float32", "cpu", 100)
        self._judge = judge
        self._checks = list(checks)

    def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[EncodedPair]:
        return [EncodedPair(document, 1, 1, False) for document in documents]

    def windows(
        self, query: str, document: str, instruction: str | None, max_tokens: int | None, overlap: float
    ) -> list[Window]:
        raise NotImplementedError

    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        return BatchResult(np.array([self._judge(pair.payload, len(pairs)) for pair in pairs], dtype=np.float32), 1)

    def self_checks(self) -> list[Check]:
        return self._checks


def _good(document: str, company: int) -> float:
    return 1.0 if document in BEST else -1.0


def test_a_good_model_passes_everything() -> None:
    with Reranker.from_model(Model(_good)) as reranker:
        report = run_self_test(reranker, "require")
    assert report.is_passed
    assert {check.is_semantic for check in report.checks} == {True, False}


def test_swapped_answers_are_noticed() -> None:
    with Reranker.from_model(Model(lambda document, company: -_good(document, company))) as reranker:
        with pytest.warns(FinerankWarning, match="0 of 5 known texts"):
            report = run_self_test(reranker, "warn")
        assert [check.is_semantic for check in report.failures] == [True]
        with pytest.raises(SelfTestError, match="is this a reranker"):
            run_self_test(reranker, "require")
        assert run_self_test(reranker, "off").is_passed


def test_the_same_score_for_everything_is_noticed() -> None:
    """Equal scores keep input order, which is right now and then by luck, not four times in five."""
    with Reranker.from_model(Model(lambda document, company: 0.5)) as reranker, pytest.raises(SelfTestError):
        run_self_test(reranker, "require")


def test_leaking_neighbours_are_noticed_in_every_mode() -> None:
    with pytest.warns(FinerankWarning, match="neighbours"):
        Reranker.from_model(Model(lambda document, company: _good(document, company) + company)).close()
    with pytest.warns(FinerankWarning):
        reranker = Reranker.from_model(Model(lambda document, company: _good(document, company) + company))
    with reranker, pytest.raises(SelfTestError, match="neighbours"):
        run_self_test(reranker, "warn")


def test_a_failed_check_of_the_model_itself_is_told() -> None:
    checks = [Check("prompt ids", False, "differ at 3")]
    with pytest.warns(FinerankWarning, match="prompt ids: differ at 3"):
        Reranker.from_model(Model(_good, checks)).close()


def test_unknown_mode() -> None:
    with Reranker.from_model(Model(_good)) as reranker, pytest.raises(SettingsError, match="'sometimes'"):
        run_self_test(reranker, "sometimes")  # type: ignore[arg-type]
