"""How much work is let in, and what a refusal says."""

import pytest

from finerank.errors import OverloadedError
from finerank.server import admission
from finerank.server.admission import Admission, estimated_tokens


def test_a_full_queue_refuses_with_numbers() -> None:
    doors = Admission(100)
    with doors.admit(60, 1, 10), doors.admit(40, 1, 10):
        assert (doors.tokens, doors.calls) == (100, 2)
        with pytest.raises(OverloadedError, match="100 tokens of 2 requests are waiting and this server takes 100"):
            doors.admit(1, 1, 10).__enter__()
    assert (doors.tokens, doors.calls) == (0, 0)
    with doors.admit(1, 1, 10):
        pass


def test_a_call_larger_than_the_queue_is_let_in_alone() -> None:
    doors = Admission(100)
    with doors.admit(1000, 1, 10), pytest.raises(OverloadedError):
        doors.admit(1, 1, 10).__enter__()


def test_without_a_setting_the_limit_follows_the_batches() -> None:
    doors = Admission(None)
    with doors.admit(128 * 10, 10, 10), pytest.raises(OverloadedError, match="takes 1,280"):
        doors.admit(1, 10, 10).__enter__()


def test_speed_tells_when_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(admission.time, "monotonic", lambda: now[0])
    doors = Admission(10_000)
    with doors.admit(1000, 1, 60):
        now[0] = 2.0
    assert doors.tokens_per_second == 500
    with doors.admit(9_000, 1, 60):
        assert doors.wait_s == 18
        with pytest.raises(OverloadedError) as full:
            doors.admit(3_000, 1, 60).__enter__()
        assert full.value.retry_after_s == 4
        with pytest.raises(OverloadedError, match="some 18 s long and the request may take 5 s") as late:
            doors.admit(10, 1, 5).__enter__()
        assert late.value.retry_after_s == 13


def test_the_estimate_errs_high_and_knows_the_limit_of_a_document() -> None:
    english = "The quick brown fox jumps over the lazy dog. " * 20
    assert estimated_tokens([english], 8192) >= len(english.split()) * 1.3
    assert estimated_tokens(["报警代码" * 10], 8192) >= 40
    assert estimated_tokens([english], 100) == 100 + 12
    assert estimated_tokens([{"text": "abc"}, {"no": 1}, 7], 8192) == 1 + 36  # type: ignore[list-item]
