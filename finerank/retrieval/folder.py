"""The files under the paths of a command line, each under a name that stays when the folder moves."""

import hashlib
import os
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from ..errors import InputError

_LOOKS_ESCAPED: Final = re.compile(r"\\(?=u(?:d[89a-f][0-9a-f]{2}|005c))")


@dataclass(frozen=True, slots=True)
class Root:
    """A folder or file to index.   name: first part of its files' names.   path: absolute."""

    name: str
    path: Path

    @property
    def is_folder(self) -> bool:
        return self.path.is_dir()

    @property
    def place(self) -> str:
        """Its path for records and messages."""
        return printable(str(self.path))

    def holds(self, source: str) -> bool:
        """Is `source` the name of a file of this root?"""
        return source == self.name or source.startswith(f"{self.name}/")


@dataclass(frozen=True, slots=True)
class FoundFile:
    """source: its name in the index: the root's name, then the way from there, with slashes."""

    source: str
    path: Path

    def digest(self) -> str:
        """Of its content, 32 hex digits. Raises OSError."""
        with self.path.open("rb") as content:
            return hashlib.file_digest(content, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def printable(name: str) -> str:
    r"""A name that every store and terminal takes: bytes that are no UTF-8 as \udce9. No two names become one."""
    return _LOOKS_ESCAPED.sub(r"\\u005c", name).encode("utf-8", "backslashreplace").decode()


def roots_of(paths: Iterable[str | Path], name: str | None = None) -> list[Root]:
    """Raises InputError for a path that is not there or no folder and no file, and for two of the same name.

    name: instead of the folder's own, for one path; "" and a name with a slash raise InputError, for the second would
    share the names of another folder's files.
    """
    if name is not None and (not name.strip() or "/" in name):
        raise InputError(f"{name!r} cannot be a folder's name in the index; give one without a slash, such as manuals")
    roots: list[Root] = []
    for given in paths:
        path = Path(given).expanduser().resolve()
        if not path.exists():
            raise InputError(f"there is no file or folder {given}")
        if not (path.is_dir() or path.is_file()):
            raise InputError(f"{given} is no file and no folder, but a pipe or a device; save it as a file first")
        roots.append(Root(printable(name or path.name or "root"), path))
    if not roots:
        raise InputError("no files; name a folder or files to index")
    names = [root.name for root in roots]
    for root in roots:
        if names.count(root.name) > 1:
            same = " and ".join(each.place for each in roots if each.name == root.name)
            raise InputError(f"{same} have the same name {root.name!r}; index them one by one, with --as NAME")
    return roots


def files_of(
    root: Root, suffixes: frozenset[str], *, skip: Path | None = None, skipped: Counter[str] | None = None
) -> Iterator[FoundFile]:
    """Files with one of the `suffixes`, in order of their names; a file named by itself comes whatever its suffix.

    Hidden files and folders are left out, and the folder `skip`, the index itself. Links to folders are not followed:
    they may lead in circles.
    skipped: counts what else is left out, by suffix (".doc", "no suffix") or kind ("linked folder", "pipe or device").
    Raises InputError for a folder that cannot be listed.
    """
    if not root.is_folder:
        yield FoundFile(root.name, root.path)
        return
    skipped = Counter() if skipped is None else skipped
    for folder, folders, names in os.walk(root.path, onerror=_raise):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and here / name != skip)
        skipped["linked folder"] += sum((here / name).is_symlink() for name in folders)
        for name in sorted(names):
            path = here / name
            if name.startswith("."):
                continue
            if PurePath(name).suffix.lower() not in suffixes:
                skipped[printable(PurePath(name).suffix.lower()) or "no suffix"] += 1
            elif _is_special(path):
                skipped["pipe or device"] += 1
            else:
                yield FoundFile("/".join((root.name, *map(printable, path.relative_to(root.path).parts))), path)


def _is_special(path: Path) -> bool:
    """Reading one could take for ever. A file that is gone is none: whoever reads it will say so."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def _raise(error: OSError) -> None:
    """A folder that cannot be listed must not look like an empty one: its files would be removed from the index."""
    raise InputError(f"the folder {error.filename} cannot be listed ({error.strerror}); check its rights")
