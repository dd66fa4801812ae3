"""`finerank rerank` from the command line to its output."""

import json
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from finerank.cli import rerank as command
from finerank.cli.console import progress_bar
from finerank.instructions import PRESETS
from finerank.models.embedded import ADVICE
from tests.client.loopback import Loopback, Say, results, scored

from .conftest import Run
from .fake_model import FakeLoader

DOCUMENTS = ("bread is food", "alarm E07 is a sensor fault", "an alarm")


def test_json_is_the_whole_of_standard_output(run: Run, loader: FakeLoader) -> None:
    result = run("rerank", "alarm E07", *DOCUMENTS, "--json")
    answer = json.loads(result.stdout)
    assert result.exit_code == 0
    assert [each["index"] for each in answer["results"]] == [1, 2, 0]
    assert [each["document"] for each in answer["results"]] == [DOCUMENTS[1], DOCUMENTS[2], DOCUMENTS[0]]
    assert answer["results"][0]["log_odds"] == 1.0
    assert answer["results"][0]["score"] == pytest.approx(0.7310586)
    assert answer["model"] == "fake"
    assert answer["fingerprint"] == "0123456789abcdef"
    assert (answer["dtype"], answer["device"], answer["instruction"]) == ("float32", "cpu", "the default")
    assert set(answer["usage"]) == {"prompt_tokens", "computed_tokens", "cached_tokens"}
    assert answer["seconds"] > 0
    assert answer["warnings"] == []


def test_json_lines_hand_back_the_objects_that_were_read(run: Run, loader: FakeLoader) -> None:
    lines = b'{"id": 1, "body": "nothing"}\n{"id": 2, "body": "\xe8\xad\xa6 needle"}\n"a needle"\n'
    arguments = ("rerank", "needle", "--file", "-", "--format", "jsonl", "--field", "body", "--jsonl", "-n", "2")
    result = run(*arguments, stdin=lines)
    results = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["document"] for each in results] == [{"id": 2, "body": "警 needle"}, "a needle"]
    assert "警" in result.stdout
    assert "fingerprint 0123456789abcdef" in result.stderr


def test_the_table_has_scores_original_numbers_and_who_answered(run: Run, loader: FakeLoader) -> None:
    result = run("rerank", "alarm E07", *DOCUMENTS, "--model", "named")
    rows = [line.split() for line in result.stdout.splitlines() if "█" in line or "░" in line]
    assert [(row[0], row[1], row[3]) for row in rows] == [
        ("1", "0.7311", "2"),
        ("2", "0.5000", "3"),
        ("3", "0.2689", "1"),
    ]
    assert "fake | float32 | cpu | fingerprint 0123456789abcdef" in result.stdout
    assert result.stderr == ""


def test_the_table_shows_flags_and_cannot_be_commanded_by_a_document(run: Run, loader: FakeLoader) -> None:
    result = run("rerank", "needle", " ", "needle " * 9, "[red]needle\x1b[2J\n[/red] x", "broken")
    blank, truncated, plain = (
        next(line for line in result.stdout.splitlines() if mark in line) for mark in ("blank", "truncated", "[red]")
    )
    assert blank != truncated
    assert "[red]needle [2J [/red] x" in plain
    assert "\x1b" not in plain
    assert "cannot be computed" in " ".join(result.stdout.split())
    assert result.exit_code == 0


def test_the_table_shows_the_window_that_scored_best(run: Run, loader: FakeLoader) -> None:
    document = "nothing here at all " * 5 + "the needle is in this half of it " * 3
    result = run("rerank", "needle", document, "--long-documents", "chunk")
    middle = len(document) // 2
    assert f"window {middle}-{len(document)}" in result.stdout
    answer = json.loads(run("rerank", "needle", document, "--long-documents", "chunk", "--json").stdout)
    assert answer["results"][0]["window"] == [middle, len(document)]
    assert not answer["results"][0]["is_truncated"]


def test_a_failed_document_has_an_error_and_no_score(run: Run, loader: FakeLoader, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": null}\n"broken"\n"needle"\n')
    result = run("rerank", "needle", "--file", str(file), "--json")
    good, *bad = json.loads(result.stdout)["results"]
    assert good["document"] == "needle"
    assert "error" not in good
    assert [each["index"] for each in bad] == [0, 1]
    assert all("score" not in each and "log_odds" not in each and each["error"] for each in bad)
    assert bad[0]["document"] == {"text": None}
    assert result.exit_code == 0


def test_if_nothing_could_be_scored_the_exit_code_says_so(run: Run, loader: FakeLoader) -> None:
    assert run("rerank", "needle", "broken", "--json").exit_code == 1


def test_options_reach_the_reranker(run: Run, loader: FakeLoader) -> None:
    arguments = (
        "--model org/name --revision abc --hub modelscope --device cpu --dtype bf16 --max-length 512 "
        "--long-documents chunk --prompt-form evaluation --deterministic --trust-remote-code --self-test require "
        "--calibration calibrated.json"
    ).split()
    assert run("rerank", "q", "d", *arguments).exit_code == 0
    assert loader.name == "org/name"
    assert loader.options == {
        "revision": "abc",
        "hub": "modelscope",
        "device": "cpu",
        "dtype": "bf16",
        "max_length": 512,
        "long_documents": "chunk",
        "prompt_form": "evaluation",
        "deterministic": True,
        "trust_remote_code": True,
        "self_test": "require",
        "calibration": Path("calibrated.json"),
    }


def test_instruction_and_preset(run: Run, loader: FakeLoader) -> None:
    run("rerank", "q", "d", "--instruction", "find it")
    assert loader.model.instructions[-1] == "find it"
    run("rerank", "q", "d", "--preset", "legal")
    assert loader.model.instructions[-1] == PRESETS["legal"]


def test_top_n_and_min_score_select(run: Run, loader: FakeLoader) -> None:
    kept = json.loads(run("rerank", "alarm E07", *DOCUMENTS, "--min-score", "0.5", "--json").stdout)["results"]
    assert [each["index"] for each in kept] == [1, 2]
    assert len(run("rerank", "alarm E07", *DOCUMENTS, "--top-n", "1", "--jsonl").stdout.splitlines()) == 1


def test_the_default_model_is_advised_against_on_standard_error(run: Run, loader: FakeLoader) -> None:
    result = run("rerank", "q", "d", "--json")
    assert ADVICE in result.stderr
    assert ADVICE not in run("rerank", "q", "d", "--model", "named").stderr


def test_bad_bytes_are_warned_of_on_standard_error_and_in_the_json(run: Run, loader: FakeLoader) -> None:
    result = run("rerank", "needle", "-f", "-", "--json", stdin=b"a needle\nb\xffd\n")
    (warning,) = json.loads(result.stdout)["warnings"]
    assert "in 1 of 2 lines" in warning
    assert f"warning: {warning}" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("rerank", "q"), "no documents"),
        (("rerank", "q", "-f", "-"), "standard input is empty"),
        (("rerank", "q", "d", "-f", "x.txt"), "one or the other"),
        (("rerank", "q", "-f", "missing.txt"), "there is no file missing.txt"),
        (("rerank", " ", "d"), "the query is empty"),
        (("rerank", "q", "d", "--json", "--jsonl"), "give one of them"),
        (("rerank", "q", "d", "--preset", "cooking"), "known presets"),
        (("rerank", "q", "d", "--preset", "web", "--instruction", "x"), "give one of them"),
    ],
)
def test_unusable_calls_are_one_sentence_and_exit_2(
    run: Run, loader: FakeLoader, arguments: tuple[str, ...], sentence: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert sentence in line


@pytest.mark.parametrize(
    "arguments",
    [("--top-n", "0"), ("--min-score", "1.5"), ("--batch-size", "-1"), ("--max-length", "9"), ("--hub", "x")],
)
def test_options_out_of_range_are_usage_errors(run: Run, loader: FakeLoader, arguments: tuple[str, ...]) -> None:
    result = run("rerank", "q", "d", *arguments)
    assert result.exit_code == 2
    assert arguments[0] in result.stderr


def test_a_mistyped_option_or_command_is_told_the_nearest(run: Run) -> None:
    result = run("rerank", "q", "d", "--min-scor", "1")
    assert (result.exit_code, "Did you mean --min-score?" in result.stderr) == (2, True)
    result = run("rernk")
    assert (result.exit_code, "Did you mean 'rerank'?" in result.stderr) == (2, True)


def test_a_model_that_is_not_there_is_one_sentence_and_exit_1(run: Run) -> None:
    result = run("rerank", "q", "d", "--model", "no-such-folder")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: there is no folder 'no-such-folder'")


def test_errors_are_red_where_there_is_colour(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[1;31merror: no documents" in run("rerank", "q").stderr


def test_the_embedded_model_ranks(run: Run) -> None:
    result = run("rerank", "red planet", "Venus is hot.", "Mars is called the red planet.", "--json")
    assert [each["index"] for each in json.loads(result.stdout)["results"]] == [1, 0]
    assert ADVICE in result.stderr


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_drawn_only_for_somebody_who_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", StringIO())
    with progress_bar("ranking") as on_progress:
        assert on_progress is None
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar("ranking") as on_progress:
        assert on_progress is not None
        on_progress(3, 7)
    assert "3/7" in terminal.getvalue()


def test_progress_reaches_the_bar_from_a_running_call(
    run: Run, loader: FakeLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []

    class Bar:
        def __enter__(self) -> object:
            return lambda done, total: seen.append((done, total))

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(command, "progress_bar", lambda what: Bar())
    run("rerank", "q", *DOCUMENTS, "--batch-size", "1")
    assert seen[-1] == (3, 3)
    assert len(seen) == 3


@pytest.fixture
def provider() -> Iterator[Loopback]:
    with Loopback().running() as running:
        yield running


def test_a_provider_ranks_instead_of_a_model_here(
    run: Run, loader: FakeLoader, provider: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SILICONFLOW_API_KEY", "a-real-key")
    provider.script = scored
    arguments = "--provider siliconflow --model Qwen/Qwen3-Reranker-8B --preset legal --batch-size 2 --json".split()
    result = run("rerank", "q", "a 300", "b 900", "c 600", "--base-url", provider.url, "--min-score", "0.5", *arguments)
    answer = json.loads(result.stdout)
    assert [(each["index"], each["score"]) for each in answer["results"]] == [(1, 0.9), (2, 0.6)]
    assert answer["instruction"] == PRESETS["legal"]
    assert sorted(len(body["documents"]) for body in provider.bodies) == [1, 2]
    assert {body["model"] for body in provider.bodies} == {"Qwen/Qwen3-Reranker-8B"}
    assert {heard.headers["authorization"] for heard in provider.heard} == {"Bearer a-real-key"}
    assert loader.name is None
    assert result.exit_code == 0


def test_a_model_may_name_its_provider(run: Run, provider: Loopback) -> None:
    provider.answer(Say(results(0.1, 0.9)))
    result = run("rerank", "q", "a", "b", "--model", "tei:bge", "--base-url", provider.url, "-i", "find it", "-n", "1")
    assert provider.heard[0].path == "/rerank"
    assert "bge | unknown | tei | fingerprint" in result.stdout
    assert "0.9000" in result.stdout
    assert "warning: tei takes no instruction" in result.stderr


def test_a_document_that_is_no_text_fails_alone_at_a_provider_too(run: Run, provider: Loopback) -> None:
    provider.script = scored
    lines = b'{"text": null}\n"d 5"\n'
    options = ("--provider", "finerank", "--base-url", provider.url)
    result = run("rerank", "q", "-f", "-", "--format", "jsonl", "--jsonl", *options, stdin=lines)
    good, bad = map(json.loads, result.stdout.splitlines())
    assert (good["index"], bad["index"]) == (1, 0)
    assert bad["error"]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--provider", "nobody"), 2, "unknown provider 'nobody'; known: finerank, siliconflow"),
        (("--provider", "jina"), 2, "jina must be told a model"),
        (("--provider", "jina", "--model", "m"), 1, "jina needs an API key; set JINA_API_KEY"),
        (("--provider", "tei", "--dtype", "bf16"), 2, "tei is computed by its provider, where --dtype has no effect"),
        (("--model", "tei:x", "--self-test", "off", "--max-length", "99"), 2, "--max-length, --self-test"),
        (("--base-url", "http://localhost"), 2, "--base-url is the address of a --provider"),
        (("--provider", "tei", "--base-url", "localhost"), 2, "base_url is 'localhost'"),
    ],
)
def test_unusable_providers_are_one_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    monkeypatch.delenv("JINA_API_KEY", raising=False)
    result = run("rerank", "q", "d", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    (line,) = result.stderr.splitlines()
    assert sentence in line


def test_a_failing_provider_is_one_sentence_and_exit_1(run: Run, provider: Loopback) -> None:
    provider.answer(Say({"error": "no such thing"}, status=404))
    result = run("rerank", "q", "d", "--provider", "finerank", "--base-url", provider.url)
    assert result.exit_code == 1
    assert result.stderr == "error: finerank answered 404 (no such thing); check base_url and the model's name\n"
