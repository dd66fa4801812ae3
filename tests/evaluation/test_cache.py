"""What was computed is not computed again: by another run, with another instruction, after a kill."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from finerank import Reranker
from finerank.errors import SettingsError
from finerank.evaluation import EvaluationCache, evaluate, load_dataset
from finerank.evaluation.cache import FILE, KnownScore, key_of
from tests.evaluation.small import OverlapModel, dataset, write_beir, write_jsonl


def test_entries_come_back_as_they_were(tmp_path: Path) -> None:
    keys = [key_of(number) for number in range(1200)]
    vectors = np.random.default_rng(0).normal(size=(1200, 3)).astype(np.float32)
    with EvaluationCache(tmp_path) as cache:
        cache.add_scores({keys[0]: KnownScore(-3.25, 7.5, True)}, (keys[1], 0.25))
        cache.add_vectors(keys, vectors)
        cache.add_run(keys[0], {"q": {"d": 1.5}, "r": {}}, {"q": 0.1})
    with EvaluationCache(tmp_path) as cache:
        assert cache.scores(keys) == {keys[0]: KnownScore(-3.25, 7.5, True)}
        assert (cache.seconds(keys[1]), cache.seconds(keys[0])) == (0.25, None)
        found = cache.vectors(keys)
        assert all((found[key] == row).all() for key, row in zip(keys, vectors, strict=True))
        assert cache.run(keys[0]) == ({"q": {"d": 1.5}, "r": {}}, {"q": 0.1})
        assert cache.run(keys[1]) is None


def test_a_second_run_computes_nothing_and_does_not_claim_the_times(tmp_path: Path) -> None:
    model = OverlapModel()
    with Reranker.from_model(model) as reranker:
        first = evaluate(dataset(), reranker, cache=tmp_path)
        num_computed = len(model.computed)
        second = evaluate(dataset(), reranker, cache=tmp_path)
    assert len(model.computed) == num_computed
    assert second.stages[1].run == first.stages[1].run
    assert (second.stages[1].cost.seconds, second.stages[1].cost.num_computed) == ({}, 0)
    assert second.stages[1].cost.earlier_seconds == first.stages[1].cost.seconds
    assert second.stages[1].cost.tokens == first.stages[1].cost.tokens
    assert second.stages[0].cost.seconds == {}


def test_another_instruction_or_model_costs_its_own_work_and_a_larger_depth_the_rest(tmp_path: Path) -> None:
    model, other = OverlapModel(), OverlapModel("another model")
    with Reranker.from_model(model) as reranker, Reranker.from_model(other) as another:
        shallow = evaluate(dataset(), reranker, cache=tmp_path, depth=1).stages[1].cost
        deep = evaluate(dataset(), reranker, cache=tmp_path).stages[1].cost
        instructed = evaluate(dataset(), reranker, cache=tmp_path, instruction="find the manual").stages[1].cost
        default = evaluate(dataset(), reranker, cache=tmp_path, instruction="the default").stages[1].cost
        changed = evaluate(dataset(), another, cache=tmp_path).stages[1].cost
    num_pairs = deep.num_computed + deep.num_cached
    assert (shallow.num_computed, deep.num_cached) == (3, 3)
    assert deep.tokens > shallow.tokens
    # Queries of which a part was known were not measured whole; those with a single candidate never computed.
    assert not deep.seconds
    assert (instructed.num_computed, default.num_computed, changed.num_computed) == (num_pairs, 0, num_pairs)


def test_long_documents_are_part_of_the_key(tmp_path: Path) -> None:
    model = OverlapModel()
    with Reranker.from_model(model) as whole, Reranker.from_model(model, long_documents="chunk") as windows:
        evaluate(dataset(), whole, cache=tmp_path)
        assert evaluate(dataset(), windows, cache=tmp_path).stages[1].cost.num_cached == 0


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    data, cache, log = write_beir(tmp_path / "data"), tmp_path / "cache", tmp_path / "log"
    documents = [{"_id": f"d{n}", "text": f"document {n} is about pressure sensors"} for n in range(10)]
    write_jsonl(data / "corpus.jsonl", documents)
    write_jsonl(
        data / "queries.jsonl", [{"_id": f"q{n}", "text": f"pressure sensors, question {n}"} for n in range(20)]
    )
    rows = [f"q{n}\td{n % 10}\t1" for n in range(20)]
    (data / "qrels" / "dev.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *rows, ""]))

    def command(seconds: float) -> list[str]:
        return [sys.executable, "-m", "tests.evaluation.slow_run", str(data), str(cache), str(log), str(seconds)]

    process = subprocess.Popen(command(0.01), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while len(_computed(log)) < 70 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    before = len(_computed(log))
    assert 70 <= before < 200
    done = subprocess.run(command(0), capture_output=True, text=True, timeout=120, check=True)
    ndcg, num_computed, num_cached = done.stdout.split()
    # Only the query in hand is computed again: 10 pairs at most.
    assert int(num_computed) + int(num_cached) == 200
    assert before - 10 <= int(num_cached) <= before
    assert len(_computed(log)) <= 200 + 10
    with Reranker.from_model(OverlapModel()) as reranker:
        alone = evaluate(load_dataset(data), reranker, language="en")
    assert alone.stages[1].means["nDCG@10"] == float(ndcg)


def _computed(log: Path) -> list[str]:
    """Pairs of the data: not the one that warms up."""
    if not log.exists():
        return []
    return [line for line in log.read_text().splitlines() if "question" in line]


def _filled(folder: Path) -> list[bytes]:
    keys = [key_of(number) for number in range(4000)]
    with EvaluationCache(folder) as cache:
        cache.add_scores(dict.fromkeys(keys, KnownScore(1.0, 1.0, False)))
    return keys


def test_a_damaged_page_is_said_with_what_to_do(tmp_path: Path) -> None:
    keys = _filled(tmp_path)
    content = bytearray((tmp_path / FILE).read_bytes())
    content[8192:] = b"\xa5" * len(content[8192:])
    (tmp_path / FILE).write_bytes(content)
    with (
        pytest.raises(SettingsError, match=rf"--cache {tmp_path}: .*malformed; .* or delete {FILE}\* there"),
        EvaluationCache(tmp_path) as cache,
    ):
        cache.scores(keys)


def test_a_full_disk_is_said_and_keeps_what_was_there(tmp_path: Path) -> None:
    keys = _filled(tmp_path)
    with EvaluationCache(tmp_path) as cache:
        cache._base.execute("PRAGMA max_page_count = 1")
        with pytest.raises(SettingsError, match="full; free some space there"):
            cache.add_run(keys[0], {str(key): {str(key): 1.0} for key in keys}, {})
        assert len(cache.scores(keys)) == len(keys)


def test_a_file_that_another_run_holds_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finerank.evaluation.cache._BUSY_S", 0.05)
    with EvaluationCache(tmp_path) as holder, EvaluationCache(tmp_path) as cache:
        holder._base.execute("BEGIN IMMEDIATE")
        with pytest.raises(SettingsError, match="locked; another run has held it"):
            cache.mark_day(key_of("day"))


def test_scores_of_a_provider_are_told_with_their_day(tmp_path: Path) -> None:
    model = OverlapModel()
    model.info = replace(model.info, kind="remote")
    today = datetime.now(UTC).date().isoformat()
    with Reranker.from_model(model) as reranker:
        assert not [each for each in evaluate(dataset(), reranker, cache=tmp_path).warnings if "provider" in each]
        (told,) = evaluate(dataset(), reranker, cache=tmp_path).warnings
    assert f"scores of fake/overlap are what its provider answered from {today} on" in told
    assert "--cache off" in told
    with EvaluationCache(tmp_path) as cache:
        (day,) = cache._base.execute("SELECT key FROM days").fetchall()
        cache._base.execute("UPDATE days SET day = '2026-01-02'")
        cache._base.commit()
        cache.mark_day(day[0])
        assert cache.first_day(day[0]) == "2026-01-02"
        assert cache.first_day(key_of("another")) is None


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(SettingsError, match="file is not a database"):
        EvaluationCache(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"--cache .*name a folder"):
        EvaluationCache(tmp_path / "file")
