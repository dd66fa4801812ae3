"""What indexing did, and what it could not read."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class IndexReport:
    """Counts of files, but for num_chunks, which were added.

    unreadable: (file, why), also of those that have not changed since they were found so.   notes: what was odd in
    files that were read.   num_missing: files that are gone but were kept, because so many are.
    skipped: what else lies in the folders -> how many: suffixes (".doc", "no suffix"), "linked folder", "pipe or
    device"; the most frequent first.
    """

    num_files: int = 0
    num_new: int = 0
    num_changed: int = 0
    num_unchanged: int = 0
    num_removed: int = 0
    num_missing: int = 0
    num_chunks: int = 0
    seconds: float = 0.0
    skipped: dict[str, int] = field(default_factory=dict)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
