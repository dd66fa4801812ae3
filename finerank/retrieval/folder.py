"""The files under the paths of a command line, each under a name that stays when the folder moves."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from ..errors import InputError


@dataclass(frozen=True, slots=True)
class Root:
    """A folder or file to index.   name: first part of its files' names.   path: absolute."""

    name: str
    path: Path

    @property
    def is_folder(self) -> bool:
        return self.path.is_dir()

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


def roots_of(paths: Iterable[str | Path], name: str | None = None) -> list[Root]:
    """Raises InputError for a path that is not there, and for two of the same name.

    name: instead of the folder's own, for one path.
    """
    roots: list[Root] = []
    for given in paths:
        path = Path(given).expanduser().resolve()
        if not path.exists():
            raise InputError(f"there is no file or folder {given}")
        roots.append(Root(name or path.name or "root", path))
    if not roots:
        raise InputError("no files; name a folder or files to index")
    names = [root.name for root in roots]
    for root in roots:
        if names.count(root.name) > 1:
            same = " and ".join(str(each.path) for each in roots if each.name == root.name)
            raise InputError(f"{same} have the same name {root.name!r}; index them one by one, with --as NAME")
    return roots


def files_of(root: Root, suffixes: frozenset[str], *, skip: Path | None = None) -> Iterator[FoundFile]:
    """Files with one of the `suffixes`, in order of their names; a file named by itself comes whatever its suffix.

    Hidden files and folders are left out, and the folder `skip`, the index itself. Links to folders are not followed:
    they may lead in circles.
    """
    if not root.is_folder:
        yield FoundFile(root.name, root.path)
        return
    for folder, folders, names in os.walk(root.path, onerror=_raise):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and here / name != skip)
        for name in sorted(names):
            if not name.startswith(".") and PurePath(name).suffix.lower() in suffixes:
                path = here / name
                yield FoundFile("/".join((root.name, *path.relative_to(root.path).parts)), path)


def _raise(error: OSError) -> None:
    """A folder that cannot be listed must not look like an empty one: its files would be removed from the index."""
    raise InputError(f"the folder {error.filename} cannot be listed ({error.strerror}); check its rights")
