"""Folders and files that people have, also the bad ones."""

import json
from pathlib import Path

import pytest

from finerank.errors import InputError
from finerank.evaluation import load_dataset, sample_queries
from tests.evaluation.small import DOCUMENTS, QRELS, QUERIES, write_beir, write_jsonl

BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize("start", [b"", BOM])
def test_a_beir_folder_with_and_without_byte_order_marks(tmp_path: Path, start: bytes) -> None:
    dataset = load_dataset(write_beir(tmp_path / "manuals", start=start))
    assert (dataset.name, dataset.split, dataset.queries, dataset.qrels) == ("manuals", "dev", QUERIES, QRELS)
    assert dataset.corpus["d1"].full_text == "\n".join(DOCUMENTS["d1"])
    assert dataset.warnings == []
    assert len(dataset.fingerprint) == 16


def test_the_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    one, two = load_dataset(write_beir(tmp_path / "a")), load_dataset(write_beir(tmp_path / "b"))
    assert one.fingerprint == two.fingerprint
    (tmp_path / "b" / "exclude.tsv").write_text("q1\td2\n")
    assert load_dataset(tmp_path / "b").fingerprint != one.fingerprint


def test_an_unknown_split_is_answered_with_those_there_are(tmp_path: Path) -> None:
    write_beir(tmp_path, "dev")
    write_beir(tmp_path, "train")
    with pytest.raises(InputError, match=r"no split 'tset'; its splits are dev, train"):
        load_dataset(tmp_path, split="tset")
    (tmp_path / "qrels" / "dev.tsv").rename(tmp_path / "qrels" / "hard.tsv")
    with pytest.raises(InputError, match=r"the splits hard, train; choose one with --split"):
        load_dataset(tmp_path)


def test_judgements_of_what_is_not_there_are_kept_and_named(tmp_path: Path) -> None:
    write_beir(tmp_path)
    with (tmp_path / "qrels" / "dev.tsv").open("a") as qrels:
        qrels.write("q1\tgone\t1\nq9\td1\t1\n")
    dataset = load_dataset(tmp_path)
    assert dataset.qrels["q1"]["gone"] == 1
    assert dataset.qrels["q9"] == {"d1": 1}
    assert "q9" not in dataset.queries
    assert any("1 judged documents are not in the corpus" in each and "'gone'" in each for each in dataset.warnings)
    assert any("1 judged queries have no text and count 0: 'q9'" in each for each in dataset.warnings)


def test_duplicate_ids_are_named_and_the_first_counts(tmp_path: Path) -> None:
    write_beir(tmp_path)
    rows = [{"_id": "d1", "text": "first"}, {"_id": "d1", "text": "second"}, {"_id": 7, "text": "a number"}]
    write_jsonl(tmp_path / "corpus.jsonl", rows)
    dataset = load_dataset(tmp_path)
    assert dataset.corpus["d1"].text == "first"
    assert dataset.corpus["7"].text == "a number"
    assert any("1 documents have an id that was there before" in each and "'d1'" in each for each in dataset.warnings)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("corpus.jsonl", "", "is empty"),
        ("corpus.jsonl", '{"id": "d1", "text": "x"}\n', r"line 1 has no _id; .* has id, text"),
        ("corpus.jsonl", '{"_id": "d1"}\n', "line 1: text is None"),
        ("corpus.jsonl", '{"_id": "d1", "text": "x"}\n{"_id": \n', "line 2 is not JSON"),
        ("corpus.jsonl", "[1]\n", "must be an object"),
        ("queries.jsonl", "\n", "is empty"),
        ("qrels/dev.tsv", "", "has no judgements"),
        ("qrels/dev.tsv", "query-id\tcorpus-id\tscore\n", "has no judgements"),
        ("qrels/dev.tsv", "topic\tdoc\trelevance\nq1\td1\t1\n", "the header is 'topic doc relevance'"),
        ("qrels/dev.tsv", "query-id\tcorpus-id\tscore\nq1\td1\tgood\n", "line 2: the grade is 'good'"),
        ("qrels/dev.tsv", "query-id\tcorpus-id\tscore\nq1\td1\n", "line 2 has 2 columns"),
        ("qrels/dev.tsv", "query-id\tcorpus-id\tscore\nx1\td1\t1\n", "none of the 1 judged queries has a text"),
    ],
)
def test_files_that_cannot_be_used_are_refused_by_name(tmp_path: Path, file: str, content: str, message: str) -> None:
    write_beir(tmp_path)
    (tmp_path / file).write_text(content)
    with pytest.raises(InputError, match=message):
        load_dataset(tmp_path)


def test_utf16_is_refused_and_bad_bytes_are_counted(tmp_path: Path) -> None:
    write_beir(tmp_path)
    (tmp_path / "queries.jsonl").write_bytes(b'{"_id": "q1", "text": "caf\xe9"}\n')
    dataset = load_dataset(tmp_path)
    assert dataset.queries["q1"] == "caf\N{REPLACEMENT CHARACTER}"
    assert any("replaced" in each and "in 1 lines" in each for each in dataset.warnings)
    (tmp_path / "queries.jsonl").write_text("{}", encoding="utf-16")
    with pytest.raises(InputError, match="UTF-16"):
        load_dataset(tmp_path)


def test_header_columns_in_another_order_and_a_missing_header(tmp_path: Path) -> None:
    write_beir(tmp_path)
    (tmp_path / "qrels" / "dev.tsv").write_text("corpus-id\tquery-id\tscore\nd1\tq1\t2.0\n")
    assert load_dataset(tmp_path).qrels == {"q1": {"d1": 2}}
    (tmp_path / "qrels" / "dev.tsv").write_text("q1\td1\t2\n")
    dataset = load_dataset(tmp_path)
    assert dataset.qrels == {"q1": {"d1": 2}}
    assert any("there is no header" in each for each in dataset.warnings)


@pytest.mark.parametrize("grade", ["2.0", "2", "true"])
def test_grades_may_be_written_as_decimals_from_the_first_line_on(tmp_path: Path, grade: str) -> None:
    write_beir(tmp_path)
    expected = {"q1": {"d1": 1 if grade == "true" else 2, "d2": 0}}
    (tmp_path / "qrels" / "dev.tsv").write_text(f"q1\td1\t{grade}\nq1\td2\t0.0\n")
    assert load_dataset(tmp_path).qrels == expected
    (tmp_path / "trec.txt").write_text(f"q1 0 d1 {grade}\nq1 0 d2 0.0\n")
    assert load_dataset(tmp_path / "trec.txt").qrels == expected
    (tmp_path / "trec.txt").write_text("q1 0 d1 0.5\n")
    with pytest.raises(InputError, match=r"line 1: the grade is '0\.5'"):
        load_dataset(tmp_path / "trec.txt")


def test_parallel_folders_take_queries_and_corpus_from_different_languages(tmp_path: Path) -> None:
    write_beir(tmp_path / "en")
    write_beir(tmp_path / "de")
    write_jsonl(tmp_path / "de" / "queries.jsonl", [{"_id": "q1", "text": "Was heißt E07?"}])
    dataset = load_dataset(tmp_path, queries_from="de", corpus_from="en")
    assert dataset.name.endswith("de->en")
    assert (dataset.queries, list(dataset.qrels)) == ({"q1": "Was heißt E07?"}, ["q1"])
    assert any("1 of 3 judged queries are in both folders" in each for each in dataset.warnings)
    with pytest.raises(InputError, match=r"no folder 'fr' .* it has de, en"):
        load_dataset(tmp_path, queries_from="fr", corpus_from="en")
    with pytest.raises(InputError, match=r"choose among de, en with --queries-from"):
        load_dataset(tmp_path)


def test_excluded_pairs_and_queries_that_are_documents(tmp_path: Path) -> None:
    write_beir(tmp_path)
    (tmp_path / "exclude.tsv").write_text("q1\td2\nelsewhere\td1\n")
    assert load_dataset(tmp_path).excluded == {("q1", "d2")}
    rows = [{"_id": "q3", "text": QUERIES["q3"]}, {"_id": "d1", "text": "E07"}]
    write_jsonl(tmp_path / "corpus.jsonl", rows)
    assert any("--drop-identical-ids" in each for each in load_dataset(tmp_path).warnings)
    dropped = load_dataset(tmp_path, drop_identical_ids=True)
    assert ("q3", "q3") in dropped.excluded
    assert not any("--drop-identical-ids" in each for each in dropped.warnings)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".json"])
def test_labelled_pairs(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"pairs{suffix}"
    rows = [("a", "x", 1), ("a", "y, z", 0), ("b", "x", 0), ("b", "x", 1)]
    if suffix == ".csv":
        file.write_text("label,query,document\n" + "".join(f'{label},{q},"{d}"\n' for q, d, label in rows))
    else:
        objects = [{"query": q, "document": d, "label": bool(label)} for q, d, label in rows]
        write_jsonl(file, objects)
        if suffix == ".json":
            file.write_text(json.dumps(objects))
    dataset = load_dataset(file)
    assert dataset.queries == {"q1": "a", "q2": "b"}
    assert {id_: each.text for id_, each in dataset.corpus.items()} == {"d1": "x", "d2": "y, z"}
    assert dataset.qrels == {"q1": {"d1": 1, "d2": 0}, "q2": {"d1": 1}}
    assert any("1 pairs have several labels" in each for each in dataset.warnings)


def test_labelled_pairs_without_a_column(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("query,text,label\na,b,1\n")
    with pytest.raises(InputError, match=r"line 2 has no 'document'; .* has query, text, label"):
        load_dataset(tmp_path / "pairs.csv")


def test_trec_qrels_with_and_without_texts(tmp_path: Path) -> None:
    write_beir(tmp_path)
    qrels = tmp_path / "qrels.txt"
    qrels.write_text("q1 0 d1 2\nq2\t0\td5\t1\n")
    assert load_dataset(qrels).corpus == {}
    dataset = load_dataset(qrels, queries=tmp_path / "queries.jsonl", corpus=tmp_path / "corpus.jsonl")
    assert dataset.queries == {id_: QUERIES[id_] for id_ in ("q1", "q2")}
    with pytest.raises(InputError, match="belong together"):
        load_dataset(qrels, queries=tmp_path / "queries.jsonl")


def test_a_sample_is_seeded_and_said(tmp_path: Path) -> None:
    dataset = load_dataset(write_beir(tmp_path))
    first, again = sample_queries(dataset, 2, seed=3), sample_queries(dataset, 2, seed=3)
    assert list(first.qrels) == list(again.qrels)
    assert len(first.qrels) == len(first.queries) == 2
    assert "2 of 3 queries, drawn at random with seed 3" in first.warnings[-1]
    assert first.corpus is dataset.corpus
    assert sample_queries(dataset, 3) is dataset
    assert first.fingerprint != dataset.fingerprint
