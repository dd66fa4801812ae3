"""Files that people have, read as examples; also the bad ones."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from finerank.errors import InputError
from finerank.evaluation import load_dataset
from finerank.evaluation.labelled import PairFields
from finerank.training.example_writer import write_examples
from finerank.training.examples import Candidate, Example
from finerank.training.sources import examples_of, read_training_data
from tests.evaluation.small import DOCUMENTS, QRELS, QUERIES, write_beir, write_jsonl
from tests.training.made import MESSAGES, PLAIN, example

RUST = (Candidate("Iron that met water.", 1.0), Candidate("A loaf of bread.", 0.0))


def write(file: Path, *rows: Any) -> Path:
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return file


def test_a_line_of_finerank(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.jsonl",
        PLAIN,
        PLAIN | {"instruction": "Find definitions", "positive_scores": [3.5], "negative_scores": [-2]},
        {"query": "only a positive", "positives": ["yes"], "instruction": None, "negatives": None},
    )
    data = read_training_data(file)
    assert data.examples == [
        Example("what is rust?", RUST, None, f"{file}, line 1"),
        Example(
            "what is rust?",
            (Candidate("Iron that met water.", 1.0, 3.5), Candidate("A loaf of bread.", 0.0, -2.0)),
            "Find definitions",
            f"{file}, line 2",
        ),
        Example("only a positive", (Candidate("yes", 1.0),), None, f"{file}, line 3"),
    ]
    assert (data.format, data.warnings, data.documents) == ("jsonl", [], [])
    assert data.num_examples == {str(file): 3}


def test_what_finerank_writes_is_read_back(tmp_path: Path) -> None:
    written = [
        example("a\u2028b", ("yes",), ("no", "nay"), scores=(1.5, -2.0, 0.25)),
        example("c", instruction="Find c"),
    ]
    write_examples(written, tmp_path / "mined.jsonl")
    read = read_training_data(tmp_path / "mined.jsonl").examples
    assert [(each.query, each.candidates, each.instruction) for each in read] == [
        (each.query, each.candidates, each.instruction) for each in written
    ]


def test_documents_that_many_queries_have_are_kept_once(tmp_path: Path) -> None:
    one, two = read_training_data(write(tmp_path / "a.jsonl", PLAIN, PLAIN | {"query": "and what is bread?"})).examples
    assert one.candidates[1] is two.candidates[1]


def test_messages_of_ms_swift(tmp_path: Path) -> None:
    """Its documentation: a system message is the instruction, and the nearest one counts."""
    system = [{"role": "system", "content": "Find definitions"}]
    of_documents = {
        key: [[*system, *messages] for messages in MESSAGES[key]] for key in ("positive_messages", "negative_messages")
    }
    file = write(
        tmp_path / "swift.jsonl",
        MESSAGES,
        MESSAGES | {"messages": system + MESSAGES["messages"]},
        MESSAGES | of_documents | {"messages": [{"role": "system", "content": "Find"}, *MESSAGES["messages"]]},
        MESSAGES | {"positive_messages": [[{"role": "user", "content": "by its own preprocessor"}]]},
    )
    data = read_training_data(file)
    assert data.format == "messages"
    assert [each.query for each in data.examples] == ["what is rust?"] * 4
    assert [each.instruction for each in data.examples] == [None, "Find definitions", "Find definitions", None]
    assert data.examples[0].candidates == RUST
    assert data.examples[3].positives[0].text == "by its own preprocessor"


def test_a_beir_folder_gives_its_training_split_and_its_documents(tmp_path: Path) -> None:
    data = read_training_data(write_beir(tmp_path / "manuals", "train", start=b"\xef\xbb\xbf"))
    assert (data.format, data.warnings) == ("beir", [])
    assert [each.query for each in data.examples] == list(QUERIES.values())
    # Grades 2 and 0, of which 2 is the highest of the set, so that 1 is a half.
    assert [(each.text, each.label) for each in data.examples[0].candidates] == [
        ("\n".join(DOCUMENTS["d1"]), 1.0),
        ("\n".join(DOCUMENTS["d2"]), 0.0),
    ]
    assert {each.label for each in data.examples[1].candidates} == {0.5}
    assert data.examples[0].place.endswith("train.tsv, query q1")
    assert len(data.documents) == len(DOCUMENTS)


def test_another_split_of_a_beir_folder(tmp_path: Path) -> None:
    write_beir(tmp_path, "dev")
    assert len(read_training_data(tmp_path, split="dev").examples) == len(QUERIES)
    with pytest.raises(InputError, match="no split 'train'; its splits are dev"):
        read_training_data(tmp_path)
    with pytest.raises(InputError, match=r"split 'dev' belongs to a BEIR folder; '.*a\.jsonl' is none"):
        read_training_data(write(tmp_path / "a.jsonl", PLAIN), split="dev")


def test_judgements_without_texts_are_left_out_and_counted(tmp_path: Path) -> None:
    folder = write_beir(tmp_path, "train")
    documents = [{"_id": id_, "text": "" if id_ == "d5" else text} for id_, (_, text) in DOCUMENTS.items()]
    write_jsonl(folder / "corpus.jsonl", [each for each in documents if each["_id"] != "d4"])
    (folder / "exclude.tsv").write_text("q3\td6\n")
    data = read_training_data(folder)
    assert [len(each.candidates) for each in data.examples] == [2, 1]
    assert any("3 judgements are not trained on" in each for each in data.warnings)
    assert all(text.strip() for text in data.documents)


def test_examples_of_a_dataset_to_look_for_leaks(tmp_path: Path) -> None:
    examples, num_left_out = examples_of(load_dataset(write_beir(tmp_path, "dev")))
    assert num_left_out == 0
    assert [len(each.positives) for each in examples] == [
        sum(grade > 0 for grade in of.values()) for of in QRELS.values()
    ]


PAIRS = [
    {"query": "a", "document": "yes", "label": 2},
    {"query": "b", "document": "maybe", "label": "1"},
    {"query": " a ", "document": "no", "label": 0},
    {"query": "a", "document": "no", "label": 0, "instruction": "Find another thing"},
    {"query": "a", "document": "nay", "label": -1},
]


@pytest.mark.parametrize("form", ["jsonl", "json", "csv"])
def test_labelled_pairs_by_query_and_instruction(tmp_path: Path, form: str) -> None:
    file = write_pairs(tmp_path / f"pairs.{form}", PAIRS)
    data = read_training_data(file)
    assert data.format == "labelled"
    assert [(each.query, each.instruction) for each in data.examples] == [
        ("a", None), ("b", None), ("a", "Find another thing"),
    ]  # fmt: skip
    assert [[(each.text, each.label) for each in example.candidates] for example in data.examples] == [
        [("yes", 1.0), ("no", 0.0), ("nay", 0.0)], [("maybe", 0.5)], [("no", 0.0)],
    ]  # fmt: skip
    assert data.examples[2].place.startswith(str(file))


def write_pairs(file: Path, pairs: Sequence[Mapping[str, Any]]) -> Path:
    names = ("query", "document", "label", "instruction")
    if file.suffix == ".csv":
        lines = [",".join(names), *(",".join(str(pair.get(name, "")) for name in names) for pair in pairs)]
        file.write_text("\n".join(lines), encoding="utf-8")
    elif file.suffix == ".json":
        file.write_text(json.dumps(pairs, indent=1), encoding="utf-8")
    else:
        write(file, *pairs)
    return file


def test_the_content_counts_not_the_suffix(tmp_path: Path) -> None:
    (tmp_path / "list.jsonl").write_text(json.dumps([PLAIN, PLAIN], indent=1))
    assert read_training_data(tmp_path / "list.jsonl").format == "jsonl"
    write_pairs(tmp_path / "pairs.csv", PAIRS).rename(tmp_path / "pairs.jsonl")
    assert len(read_training_data(tmp_path / "pairs.jsonl").examples) == 3


def test_columns_of_other_names(tmp_path: Path) -> None:
    file = write(tmp_path / "cosqa.json", {"idx": "1", "doc": "sort a list", "code": "sorted(x)", "label": 1})
    with pytest.raises(InputError, match=r"line 1 has idx, doc, code, label; training data is"):
        read_training_data(file)
    (read,) = read_training_data(file, fields=PairFields("doc", "code")).examples
    assert (read.query, read.positives[0].text) == ("sort a list", "sorted(x)")


def test_a_pair_that_stands_there_again_counts_once_with_its_highest_label(tmp_path: Path) -> None:
    rows = [{"query": "a", "document": "x", "label": label} for label in (0, 1, 1)]
    data = read_training_data(write(tmp_path / "a.jsonl", *rows))
    assert data.examples[0].candidates == (Candidate("x", 1.0),)
    assert any("2 pairs stand there again and count once; 1 of them" in each for each in data.warnings)


def test_several_files_are_joined(tmp_path: Path) -> None:
    plain, swift = write(tmp_path / "a.jsonl", PLAIN), write(tmp_path / "b.jsonl", MESSAGES, MESSAGES)
    folder = write_beir(tmp_path / "manuals", "train")
    data = read_training_data([plain, str(swift), folder])
    assert data.format == "jsonl, messages, beir"
    assert data.num_examples == {str(plain): 1, str(swift): 2, str(folder): 3}
    assert len(data.examples) == 6


def test_bytes_marks_and_blank_lines(tmp_path: Path) -> None:
    line = json.dumps(PLAIN).encode()
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf\n  \n" + line + b"\r\n\n" + line.replace(b"rust", b"r\xffst"))
    data = read_training_data(tmp_path / "a.jsonl")
    assert [each.query for each in data.examples] == ["what is rust?", "what is r\N{REPLACEMENT CHARACTER}st?"]
    assert data.examples[1].place.endswith("line 5")
    assert any("not UTF-8" in each for each in data.warnings)


def test_lone_surrogates_are_replaced(tmp_path: Path) -> None:
    (read,) = read_training_data(write(tmp_path / "a.jsonl", PLAIN | {"query": "a \ud800 b"})).examples
    assert read.query == "a ? b"


def test_keys_that_mean_nothing_are_ignored_and_counted(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", PLAIN | {"id": 1, "source": "x"}, PLAIN | {"id": 2})
    data = read_training_data(file)
    assert len(data.examples) == 2
    assert data.warnings == [
        f"{file}: these keys mean nothing here and are ignored: 'id' (2 lines), 'source' (1 lines)"
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"is empty; training data is \{"),
        ("\n \n", "is empty"),
        ("[]", "has no rows"),
        ("query,document,label\n", "has no rows"),
        ("PK\x03\x04\0\0", "is no text"),
        ("# A title\n\nSome text", "line 3 has # A title; training data is"),
        ("{", "line 1 is not JSON"),
        ("[1]", "object 1 is a JSON int"),
        ('{"query": "a", "pos": ["b"], "neg": []}', r"has query, pos, neg; .*; call 'pos' 'positives'"),
        ('{"query": "a", "positives": ["b"], "negative": ["c"]}', "unknown key 'negative'; call it 'negatives'"),
        ('{"query": "a", "positives": ["b"], "instuction": "c"}', "unknown key 'instuction'; call it 'instruction'"),
        ('{"positives": ["b"]}', "line 1 has no 'query'"),
        ('{"query": ["a"], "positives": ["b"]}', "query is a JSON list; it must be a text"),
        ('{"query": "a", "positives": "b"}', "positives is a JSON str; it must be a list"),
        ('{"query": "a", "positives": ["b", 3]}', r"positives\[1\] is a JSON int; it must be a text"),
        ('{"query": "a", "positives": ["b"], "instruction": 3}', "instruction is a JSON int"),
        (
            '{"query": "a", "positives": ["b"], "positive_scores": [1, 2]}',
            "positive_scores has 2 scores for the 1 texts",
        ),
        ('{"query": "a", "positives": ["b"], "positive_scores": ["1"]}', r"positive_scores\[0\] is a JSON str"),
        ('{"query": "a", "positives": ["b"], "positive_scores": [NaN]}', "is not JSON: NaN"),
        ('{"query": "a", "positives": ["b"], "positive_scores": [1' + 400 * "0" + "]}", "has 401 digits"),
        ('{"query": "a", "positives": ["b"], "messages": []}', "is of several formats at once"),
        ('{"messages": "a"}', r'messages is a JSON str; it must be a list of messages, such as \[\{"role": "user"'),
        ('{"messages": []}', "messages has messages of nobody; it needs one of user"),
        (
            '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}',
            "messages has messages of user, assistant; it needs one of user",
        ),
        (
            '{"messages": [{"role": "user", "content": "a"}], "positive_messages": [{"role": "user", "content": "b"}]}',
            r"positive_messages\[0\] is a JSON dict; it must be a list of messages",
        ),
        (
            '{"messages": [{"role": "user", "content": "a"}], "positive_messages": [[{"role": "user"}]]}',
            r"content of positive_messages\[0\] is missing",
        ),
        ('{"messages": [{"role": "user", "content": "a"}], "images": ["x"]}', "has 'images'; finerank trains on texts"),
        (
            '{"messages": [{"role": "user", "content": "a"}], "positive_images": [["x"]]}',
            "has 'positive_images'; finerank trains on texts only",
        ),
        ("query,document,label\na,b,good\n", "line 2: the grade is 'good'"),
        ("query,document,label\na,b\n", "line 2 has no 'label'"),
        ("query,document,label\n,b,1\n", "line 2: 'query' is empty"),
    ],
)
def test_what_cannot_be_read_is_refused_with_file_and_line(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "data"
    file.write_text(content)
    with pytest.raises(InputError, match=message) as error:
        read_training_data(file)
    assert str(file) in str(error.value)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (PLAIN, MESSAGES, r"line 2 has the keys messages, .* \(messages\), but the rows before it .* \(jsonl\)"),
        (MESSAGES, PLAIN, r"line 2 .* \(jsonl\), but the rows before it are of another format \(messages\)"),
        (PAIRS[0], PLAIN, r"line 2 .* \(jsonl\), but the rows before it are of another format \(labelled\)"),
        (PLAIN, PAIRS[0], r"line 2 .* \(labelled\)"),
    ],
)
def test_several_formats_in_one_file_are_refused(tmp_path: Path, first: Any, second: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_training_data(write(tmp_path / "a.jsonl", first, second))


def test_documents_with_different_instructions_are_refused(tmp_path: Path) -> None:
    negative = [{"role": "system", "content": "Find bread"}, {"role": "assistant", "content": "A loaf."}]
    with pytest.raises(InputError, match="line 1: its documents have 2 different instructions"):
        read_training_data(write(tmp_path / "a.jsonl", MESSAGES | {"negative_messages": [negative]}))


def test_paths_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file or folder .*nowhere"):
        read_training_data(tmp_path / "nowhere")
    with pytest.raises(InputError, match="there is no training data"):
        read_training_data([])
    (tmp_path / "wide.jsonl").write_text("{}", encoding="utf-16")
    with pytest.raises(InputError, match="UTF-16"):
        read_training_data(tmp_path / "wide.jsonl")
