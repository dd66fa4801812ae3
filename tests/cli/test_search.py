"""`finerank search` on real Milvus Lite indexes: what test_index.py does not show."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from finerank import Reranker
from finerank.embedder import Embedder
from finerank.evaluation.calibration import Calibration, Line, Threshold
from finerank.retrieval.indexer import Indexer
from tests.client.loopback import Heard, Loopback, Say

from .conftest import Run

TEXTS = {
    "press.txt": "Alarm E07: the hydraulic pressure sensor gives no signal.",
    "oven.txt": "The door seal of the oven is changed every year.",
    "pump.txt": "The pump is filled with oil before it is started.",
}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts") / "manuals"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def db(texts: Path) -> str:
    db = str(texts.parent / "manuals.db")
    with Embedder() as embedder, Indexer.open(db, embedder, language="en") as indexer:
        indexer.index([texts])
    return db


@pytest.fixture
def calibration(tiny_qwen3: Path, tmp_path: Path) -> Path:
    """Scores become sigmoid(log-odds / 2); the threshold is far below all of them."""
    with Reranker(str(tiny_qwen3), dtype="float32", self_test="off") as reranker:
        info, instruction = reranker.info, reranker.effective_instruction(None)
    threshold = Threshold(0.9, 0.95, -1e6, 0.5, 10, 9, 0.9)
    made = Calibration(info.name, info.fingerprint, instruction, None, Line(0.5, 0.0), threshold)
    made.save(tmp_path / "calibration.json")
    return tmp_path / "calibration.json"


def said(result: Any) -> str:
    return " ".join(result.stderr.split())


def test_a_calibration_and_its_threshold(
    run: Run, db: str, tiny_qwen3: Path, calibration: Path, tmp_path: Path
) -> None:
    asked = ("search", "alarm E07", "--db", db, "--json", "--model", str(tiny_qwen3), "--dtype", "float32")
    bound = ("--calibration", str(calibration), "--min-score", "calibrated")
    found = json.loads(run(*asked, *bound).stdout)["results"]
    assert len(found) == 3
    assert [each["score"] for each in found] == pytest.approx(
        [Line(0.5, 0.0).probability(each["log_odds"]) for each in found]
    )
    record = json.loads(calibration.read_text())
    record["threshold"]["log_odds"] = found[0]["log_odds"]
    calibration.write_text(json.dumps(record))
    assert [each["id"] for each in json.loads(run(*asked, *bound).stdout)["results"]] == [found[0]["id"]]
    without = run(*asked, "--min-score", "calibrated")
    assert without.exit_code == 2
    assert "the model has no calibration" in said(without)


def test_json_has_the_context_block_too(run: Run, db: str) -> None:
    asked = ("search", "alarm E07", "--db", db, "--no-rerank", "-n", "1", "--context-tokens", "100")
    answer = json.loads(run(*asked, "--json", "--explain").stdout)
    assert answer["context"] == run(*asked).stdout.rstrip("\n")
    assert answer["context"].startswith("[1] ")
    assert answer["moves"][0]["after"] == 1
    assert "context" not in json.loads(run(*asked[:-2], "--json").stdout)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--explain", "--context-tokens", "100"], "--explain and --context-tokens were both given"),
        (["--calibration", "c.json", "--no-rerank"], "--calibration is of a reranker's scores"),
        (["--calibration", "c.json", "--depth", "0"], "--calibration is of a reranker's scores"),
        (["--min-score", "high"], "neither a probability from 0 to 1 nor the word calibrated"),
    ],
)
def test_what_cannot_be_asked_together(run: Run, db: str, arguments: list[str], message: str) -> None:
    result = run("search", "alarm", "--db", db, *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("\u2502", " ").split())


def test_a_warning_is_shown_once(run: Run, db: str, tiny_qwen3: Path) -> None:
    """That of loading too: a model of random weights does not pass the self-test."""
    result = run("search", "what is it", "--db", db, "--json", "--model", str(tiny_qwen3), "--dtype", "float32")
    told = json.loads(result.stdout)["facts"]["warnings"]
    assert any("self-test" in each for each in told)
    assert any("no word that BM25" in each for each in told)
    assert len(told) == len(set(told))
    assert [said(result).count(" ".join(each.split())) for each in told] == [1] * len(told)


def test_words_alone_load_no_embedding_model(run: Run, db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finerank.retrieval.searcher.Embedder", _refuse)
    result = run("search", "alarm E07", "--db", db, "--mode", "bm25", "--no-rerank", "--json")
    assert [each["source"] for each in json.loads(result.stdout)["results"]] == ["manuals/press.txt"]


def _refuse(*_: Any, **__: Any) -> Any:
    raise AssertionError("the embedding model is loaded for nothing")


def embedded(heard: Heard) -> Say:
    """How often the words of two subjects are there."""
    texts = [text.lower() for text in heard.body["input"]]
    vectors = [[1.0 + text.count("alarm") + text.count("e07"), 1.0 + 2 * text.count("oven"), 1.0] for text in texts]
    data = [{"object": "embedding", "index": index, "embedding": each} for index, each in enumerate(vectors)]
    return Say({"object": "list", "data": data, "model": heard.body["model"], "usage": {"prompt_tokens": 1}})


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with Loopback().running() as running:
        running.script = embedded
        yield running


def test_an_index_made_behind_an_api_is_searched_there(
    run: Run, texts: Path, tmp_path: Path, tiny_qwen3: Path, endpoint: Loopback
) -> None:
    """From files to hits, without naming the model or its address again; --device and --dtype are the reranker's."""
    db, url = str(tmp_path / "remote.db"), f"{endpoint.url}/v1"
    made = run(
        "index",
        str(texts),
        "--db",
        db,
        "--language",
        "en",
        "--embedding-model",
        "openai:my-embed",
        "--embedding-url",
        url,
    )
    assert made.exit_code == 0, made.stderr
    asked = ("search", "alarm E07", "--db", db, "--json")
    before = len(endpoint.heard)
    here = ("--model", str(tiny_qwen3), "--device", "cpu", "--dtype", "float32")
    answer = json.loads(run(*asked, *here).stdout)
    assert answer["facts"]["embedding_model"] == "openai:my-embed"
    assert answer["facts"]["model"] == str(tiny_qwen3)
    recalled = json.loads(run(*asked, "--no-rerank").stdout)["results"]
    assert (recalled[0]["source"], recalled[0]["stages"]["dense"]["rank"]) == ("manuals/press.txt", 1)
    assert {each.body["model"] for each in endpoint.heard[before:]} == {"my-embed"}
    assert len(endpoint.heard) > before

    endpoint.script = lambda heard: Say({"error": {"message": "gone"}}, status=404)
    words = run(*asked, "--no-rerank", "--mode", "bm25")
    assert [each["source"] for each in json.loads(words.stdout)["results"]] == ["manuals/press.txt"]
    both = run(*asked, "--no-rerank")
    assert both.exit_code != 0
    assert "gone" in said(both)
