import json
import subprocess
import sys
from pathlib import Path

import pytest

from finerank.errors import UnreadableError
from finerank.retrieval.readers import read_bytes, read_file
from finerank.retrieval.readers.text import PART_CHARACTERS

from .reading import document_of, documents_of, text_of

JAPANESE = "警報コードE07は油圧センサーの信号異常を意味します。まず配線を確認してください。\n"
CHINESE = "报警代码E07表示液压压力传感器信号故障。请先检查电缆和插头。\n"
TRADITIONAL = "警報代碼E07表示液壓壓力感測器信號故障。請先檢查電纜和插頭。\n"
KOREAN = "경보 코드 E07은 유압 센서 신호의 이상을 뜻합니다. 먼저 배선을 확인하십시오.\n"
GERMAN = "Der Öldruck fällt. Prüfen Sie zuerst die Anschlüsse, dann die Größe der Düse.\n"
RUSSIAN = "Сигнал датчика давления неисправен. Сначала проверьте проводку.\n"
POLISH = "Usterka sygnału czujnika ciśnienia. Najpierw sprawdź przewody, żółte złącze i wąż.\n"


@pytest.mark.parametrize("times", [1, 2000])
@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (CHINESE, "gb18030"),
        (CHINESE, "gbk"),
        (TRADITIONAL, "big5"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (KOREAN, "euc_kr"),
        (GERMAN, "latin-1"),
        (GERMAN, "cp1252"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (POLISH, "cp1250"),
    ],
)
def test_old_encodings_are_guessed_and_that_is_noted(text: str, encoding: str, times: int) -> None:
    (document,), notes = documents_of((text * times).encode(encoding), "a.txt")
    assert text_of(document).strip() == (text * times).strip()
    assert len(notes) == 1
    assert "save it as UTF-8 if that is wrong" in notes[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"])
def test_unicode_is_known_without_a_note(encoding: str) -> None:
    assert text_of(document_of((GERMAN * 50).encode(encoding), "a.txt")) == GERMAN * 50


def test_a_few_broken_bytes_spoil_nothing_else() -> None:
    content = (CHINESE * 100).encode()
    (document,), notes = documents_of(content[:1000] + b"\xff" + content[1000:], "a.txt")
    assert text_of(document).count("液压压力") == 99
    assert "no UTF-8" in notes[0]


def test_controls_and_nulls_go() -> None:
    assert (
        text_of(document_of("one\0 two\x07 three\ufeff\r\n" + "four\n" * 30, "a.txt"))
        == "one two three\n" + "four\n" * 30
    )


def test_form_feeds_part_pages() -> None:
    document = document_of("first\f\fthird", "a.txt")
    assert [(section.text, section.page) for section in document.sections] == [("first", 1), ("third", 3)]


def test_running_headers_and_footers_of_pages_go() -> None:
    bodies = [f"Step {number} of the check.\nTurn screw {number} by {number} degrees." for number in range(1, 31)]
    bodies[6] += "\nAlarm E07 means that the sensor is lost."
    pages = [
        f"HP-200 manual, alarms E01 to E07\n\n{body}\n\nPage {number} of 30\n" for number, body in enumerate(bodies, 1)
    ]
    document = document_of("\f".join(pages), "pdftotext.txt")
    assert [(section.page, section.text.strip()) for section in document.sections] == list(enumerate(bodies, 1))
    assert document.title == "HP-200 manual, alarms E01 to E07"


def test_titles() -> None:
    assert document_of("\n\nPress HP-200\n\nMore.", "a/b.txt").title == "Press HP-200"
    assert document_of("word " * 200, "a/b c.txt").title == "b c"


def test_only_white_space_is_no_text() -> None:
    with pytest.raises(UnreadableError, match=r"a\.txt holds no text"):
        list(read_bytes(b" \n\t\f\n", "a.txt"))


def test_a_line_of_a_million_characters() -> None:
    assert len(text_of(document_of("x" * 1_000_000, "a.txt"))) == 1_000_000


def test_a_large_file_becomes_several_documents_and_loses_nothing() -> None:
    lines = [f"line {number} of the log\n\n" for number in range(150_000)]
    documents, _ = documents_of("".join(lines), "a.log")
    assert [document.id for document in documents] == [f"a.log#{number}" for number in range(1, len(documents) + 1)]
    assert "".join(text_of(document) for document in documents) == "".join(lines)
    assert all(len(text_of(document)) <= PART_CHARACTERS for document in documents)


_MEASURE = """
import json, resource, sys
from pathlib import Path
from finerank.retrieval.readers import read_file
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
characters = sum(len(section.text) for document in read_file(Path(sys.argv[1]), "big") for section in document.sections)
print(json.dumps([characters, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before]))
"""


@pytest.mark.parametrize("name", ["big.txt", "big.jsonl", "big.csv"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, name: str) -> None:
    row = {"big.txt": f"{GERMAN * 3}\n", "big.jsonl": json.dumps({"text": GERMAN * 3}) + "\n"}.get(
        name, f'"{GERMAN * 3}",1\n'
    )
    path = tmp_path / name
    with path.open("w") as stream:
        if name == "big.csv":
            stream.write("text,number\n")
        for _ in range(20_000_000 // len(row)):
            stream.write(row)
    done = subprocess.run([sys.executable, "-c", _MEASURE, str(path)], capture_output=True, text=True, check=True)
    characters, kilobytes = json.loads(done.stdout)
    assert characters > 15_000_000
    assert kilobytes < 40_000


def test_reading_again_gives_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(GERMAN)
    assert list(read_file(path, "a.txt")) == list(read_file(path, "a.txt"))
