"""`finerank index` and `finerank search` on a real Milvus Lite index with the embedded model."""

import json
from pathlib import Path

import pytest

from finerank.errors import InputError

from .conftest import Run


@pytest.fixture(scope="module")
def manuals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts") / "manuals"
    folder.mkdir()
    (folder / "press.txt").write_text("Alarm E07: the hydraulic pressure sensor gives no signal. Check its plug.")
    (folder / "oven.md").write_text("# Oven\n\nThe door seal is changed every year.\n")
    (folder / "jobs.txt").write_text("We are hiring! Apply now: service technician for hydraulic presses (m/f/d).")
    (folder / "scan.pdf").write_bytes(b"%PDF-1.4\nbroken")
    return folder


@pytest.fixture(scope="module")
def db(manuals: Path) -> str:
    return str(manuals.parent / "manuals.db")


def test_index_says_what_it_did_and_what_it_could_not_read(run: Run, manuals: Path, db: str) -> None:
    result = run("index", str(manuals), "--db", db, "--language", "en")
    assert result.exit_code == 0
    shown = " ".join(result.stdout.split())
    assert "3 chunks. 4 files: 4 new, 0 changed, 0 unchanged, 0 removed, 1 unreadable; 3 chunks added" in shown
    assert "manuals/scan.pdf" in result.stderr
    again = json.loads(run("index", str(manuals), "--db", db, "--json").stdout)
    assert (again["num_unchanged"], again["num_new"], again["chunks_in_index"]) == (4, 0, 3)
    assert again["unreadable"][0][0] == "manuals/scan.pdf"


def test_search_shows_place_and_passage(run: Run, db: str) -> None:
    result = run("search", "What does alarm E07 mean?", "--db", db, "-n", "1")
    assert result.exit_code == 0
    assert "manuals/press.txt" in result.stdout
    assert "gives no signal" in result.stdout
    assert "oven" not in result.stdout
    assert "found" in result.stderr
    assert "not reranked: all-MiniLM-L6-v2" in result.stderr


def test_search_as_json_has_every_stage(run: Run, db: str) -> None:
    answer = json.loads(run("search", "alarm E07", "--db", db, "--json", "--explain").stdout)
    first = answer["results"][0]
    assert (first["source"], first["page"], first["rank"]) == ("manuals/press.txt", None, 1)
    assert first["text"].startswith("Alarm E07")
    assert first["stages"]["bm25"]["rank"] == first["stages"]["dense"]["rank"] == 1
    assert first["score"] is None, "nobody named a reranker"
    assert answer["moves"][0] == {"id": first["id"], "before": 1, "after": 1, "fate": None}
    assert answer["facts"]["embedding_model"] == "all-MiniLM-L6-v2"


def test_a_named_model_reranks(run: Run, db: str, tiny_qwen3: Path) -> None:
    asked = ("search", "alarm E07", "--db", db, "--json", "--model", str(tiny_qwen3), "--dtype", "float32")
    answer = json.loads(run(*asked).stdout)
    scores = [each["score"] for each in answer["results"]]
    assert scores == sorted(scores, reverse=True)
    assert answer["facts"]["model"] == str(tiny_qwen3)
    assert answer["facts"]["reranked"] == 3


def test_explain_is_a_table(run: Run, db: str) -> None:
    shown = run("search", "alarm E07", "--db", db, "--explain").stdout
    for word in ("was", "log-odds", "dense", "BM25", "fused"):
        assert word in shown


def test_rules_filters_and_no_rerank(run: Run, db: str) -> None:
    asked = ("search", "hydraulic press", "--db", db, "--json", "--no-rerank")
    everything = json.loads(run(*asked).stdout)
    assert "manuals/jobs.txt" in [each["source"] for each in everything["results"]]
    assert everything["results"][0]["score"] is None
    ruled = json.loads(run(*asked, "--rule", "recruitment").stdout)
    assert "manuals/jobs.txt" not in [each["source"] for each in ruled["results"]]
    assert sum(ruled["facts"]["dropped"].values()) == 1
    picked = json.loads(run(*asked, "--filter", 'source == "manuals/oven.md"').stdout)
    assert [each["source"] for each in picked["results"]] == ["manuals/oven.md"]


def test_a_context_block_for_a_language_model(run: Run, db: str) -> None:
    block = run("search", "alarm E07", "--db", db, "-n", "1", "--context-tokens", "100").stdout
    assert block.startswith("[1] ")
    assert "manuals/press.txt" in block
    assert "gives no signal" in block


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "x", "--db", "none.db"], "there is no index at none.db"),
        (["search", "x", "--db", "none"], "must end with .db"),
        (["search", " ", "--db", "DB"], "the query is empty"),
        (["search", "x", "--db", "DB", "--collection", "other"], "no collection 'other'; there are: finerank"),
        (["search", "x", "--db", "DB", "--mode", "magic"], "mode is 'magic'"),
        (["search", "x", "--db", "DB", "--filter", "pages > 3"], "cannot be used"),
        (["search", "x", "--db", "DB", "--rule", "nonsense"], "nonsense"),
        (["index", "nowhere", "--db", "DB"], "there is no file or folder nowhere"),
        (["index", ".", "--db", "DB", "--as", ""], "'' cannot be a folder's name in the index"),
        (["index", ".", "--db", "DB", "--hub", "nowhere"], "nowhere"),
        (["index", "nowhere", "--db", "DB", "--chunk-tokens", "9999"], "chunk_tokens is 9999"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(run: Run, db: str, arguments: list[str], message: str) -> None:
    result = run(*[db if each == "DB" else each for each in arguments])
    assert result.exit_code in (1, 2)
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_a_path_that_is_not_there_makes_no_index(run: Run, tmp_path: Path) -> None:
    result = run("index", str(tmp_path / "typo"), "--db", str(tmp_path / "new.db"))
    assert result.exit_code == 2
    assert "there is no file or folder" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_was_left_out_is_said_in_a_line(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for name in ("a.txt", "b.doc", "c.doc", "d.pptx"):
        (folder / name).write_text("A valve.")
    for link in ("x", "y"):
        (folder / link).symlink_to(tmp_path)
    asked = ("index", str(folder), "--db", str(tmp_path / "a.db"), "--language", "en")
    shown = " ".join(run(*asked).stdout.split())
    assert "left out: 2 linked folders, 2 .doc, 1 .pptx; what is named by itself is indexed" in shown
    assert json.loads(run(*asked, "--json").stdout)["skipped"] == {"linked folder": 2, ".doc": 2, ".pptx": 1}


def test_the_hub_is_the_embedding_model_s(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []

    def refuse(model: str | None, **options: object) -> None:
        asked.append({"model": model, **options})
        raise InputError("seen")

    monkeypatch.setattr("finerank.embedder.Embedder", refuse)
    (tmp_path / "a.txt").write_text("A valve.")
    hub = ("--hub", "modelscope", "--trust-remote-code", "--embedding-model", "Qwen/Qwen3-Embedding-0.6B")
    assert "seen" in run("index", str(tmp_path), "--db", str(tmp_path / "a.db"), *hub).stderr
    assert (asked[0]["model"], asked[0]["hub"]) == ("Qwen/Qwen3-Embedding-0.6B", "modelscope")
    assert asked[0]["trust_remote_code"] is True


def test_nothing_readable_is_a_failure(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4\nbroken")
    result = run("index", str(tmp_path / "a.pdf"), "--db", str(tmp_path / "a.db"), "--language", "en")
    assert result.exit_code == 1
    assert "a.pdf" in result.stderr
