import hashlib
import os
from collections import Counter
from pathlib import Path

import pytest

from finerank.errors import InputError
from finerank.retrieval.folder import files_of, printable, roots_of

TXT = frozenset({".txt"})


def names(path: Path, **options: object) -> list[str]:
    (root,) = roots_of([path])
    return [file.source for file in files_of(root, TXT, **options)]


def test_names_begin_with_the_folder_and_are_in_order(tmp_path: Path) -> None:
    (tmp_path / "manuals" / "press").mkdir(parents=True)
    for name in ("b.txt", "a.TXT", "press/c.txt", "picture.png", ".hidden.txt"):
        (tmp_path / "manuals" / name).write_text("x")
    (tmp_path / "manuals" / ".git").mkdir()
    (tmp_path / "manuals" / ".git" / "d.txt").write_text("x")
    assert names(tmp_path / "manuals") == ["manuals/a.TXT", "manuals/b.txt", "manuals/press/c.txt"]


def test_a_file_that_is_named_comes_whatever_its_suffix(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("x")
    assert names(tmp_path / "README") == ["README"]


def test_the_index_itself_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "index.db").mkdir()
    (tmp_path / "index.db" / "a.txt").write_text("x")
    assert names(tmp_path, skip=tmp_path / "index.db") == []


def test_links_in_circles_end(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    (tmp_path / "again").symlink_to(tmp_path)
    assert names(tmp_path) == [f"{tmp_path.name}/a.txt"]


def test_a_digest_is_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"content")
    (file,) = files_of(roots_of([tmp_path])[0], TXT)
    assert file.digest() == hashlib.blake2b(b"content", digest_size=16).hexdigest()


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file or folder"):
        roots_of([tmp_path / "none"])
    with pytest.raises(InputError, match="no files"):
        roots_of([])


@pytest.mark.parametrize("name", ["", " ", "/", "manuals/press"])
def test_a_name_that_could_be_another_folder_s_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="give one without a slash"):
        roots_of([tmp_path], name)


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    for name in ("a.txt", "b.doc", "c.DOC", "d.pptx", "README", ".hidden.doc"):
        (tmp_path / name).write_text("x")
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "inner").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "inner")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")  # reading it says what is wrong
    skipped: Counter[str] = Counter()
    found = files_of(roots_of([tmp_path])[0], TXT, skipped=skipped)
    assert [file.path.name for file in found] == ["a.txt", "gone.txt"]
    assert +skipped == {".doc": 2, ".pptx": 1, "no suffix": 1, "pipe or device": 1, "linked folder": 1}


def test_a_pipe_cannot_be_indexed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(InputError, match=r"pipe\.txt is no file and no folder, but a pipe"):
        roots_of([tmp_path / "pipe.txt"])


def test_names_that_are_no_utf8_become_printable_and_stay_apart() -> None:
    raw = [
        "caf\udce9.txt",
        "caf\\udce9.txt",
        "caf\\u005cudce9.txt",
        "caf\\u005cu005cudce9.txt",
        "café.txt",
        "a\\b\udcff\\",
    ]
    shown = [printable(name) for name in raw]
    assert shown[0] == r"caf\udce9.txt"
    assert shown[4] == "café.txt"
    assert len(set(shown)) == len(raw)
    assert all(name.encode() for name in shown)


def test_two_folders_of_one_name_are_refused(tmp_path: Path) -> None:
    for parent in "ab":
        (tmp_path / parent / "manuals").mkdir(parents=True)
    with pytest.raises(InputError, match="same name 'manuals'"):
        roots_of([tmp_path / "a" / "manuals", tmp_path / "b" / "manuals"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_cannot_be_listed_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0)
    with pytest.raises(InputError, match="cannot be listed"):
        names(tmp_path)
