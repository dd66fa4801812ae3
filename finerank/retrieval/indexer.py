"""`Indexer`: files into an index, and again when they change.

    folder -> what is new or changed? -> read -> chunk -> embed -> store

A file's record says "writing" before its first chunk is stored and "done" after its last one, so a run that was killed
loses nothing and leaves nothing behind: the next one does those files again, and only those.
"""

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, Self

from ..embedder import Embedder
from ..errors import RetrievalError
from .chunking import Chunker, embedding_text
from .folder import FoundFile, Root, files_of, printable, roots_of
from .index_info import FileRecord, IndexInfo
from .index_report import IndexReport
from .language import language_of, samples_of
from .milvus_store import COLLECTION, MilvusStore
from .preparation import Portion, Preparation
from .readers import SUFFIXES
from .reading_process import ReadingProcess
from .store import Entry, Store
from .terms import TermAnalyzer, guess_language

__all__ = ["Indexer", "OnFile", "language_of", "new_info"]

OnFile = Callable[[int, int], None]
"""Called with (files stored, files in all)."""

_EMBEDDED_TOGETHER: Final = 512
_LOOKED_UP_TOGETHER: Final = 256
_FLUSH_EVERY: Final = 20_000
"""Chunks; what was not flushed is kept in memory."""
_MANY_GONE: Final = 10
"""So many files that are gone, and more than half of all, are rather a disk that is not there."""


class Indexer:
    """Writes into one index. Not for several threads at once."""

    def __init__(self, store: Store, embedder: Embedder) -> None:
        """Raises RetrievalError if the index was made with another embedding model."""
        self.store = store
        self._embedder = embedder
        store.info.check_embedding(embedder.info, store.where)
        self._analyzer = TermAnalyzer.from_dict(store.info.analyzer)
        self._chunker = Chunker(embedder, store.info.chunk_tokens, store.info.overlap)
        self._reading = ReadingProcess()
        self._preparation = Preparation(self._reading, self._chunker)
        self._num_unflushed = 0

    @classmethod
    def open(
        cls,
        db: str,
        embedder: Embedder,
        *,
        collection: str = COLLECTION,
        chunk_tokens: int | None = None,
        overlap: int | None = None,
        language: str | None = None,
        paths: Sequence[str | Path] = (),
        token: str | None = None,
    ) -> Self:
        """The index at `db`, made if it is not there.

        chunk_tokens, overlap: of a new index; None = the Chunker's defaults. For one that is there, None, or the same.
        language: of most texts (ISO 639-1), for stemming; None = that of the index, of a new one guessed from some of
        the first files that come.   paths: what is going to be indexed, checked before anything is made.
        Raises RetrievalError if it cannot be opened or was made otherwise, InputError for a path that is not there.
        """
        chunker = Chunker(embedder, chunk_tokens, overlap)
        if paths:
            roots_of(paths)
        info = new_info(embedder, chunker, TermAnalyzer(language or "en"))
        info.is_language_open = language is None
        store = MilvusStore.create(db, collection, info, token=token)
        try:
            store.info.check_chunking(chunk_tokens, overlap, store.where)
            indexer = cls(store, embedder)
            if language is not None:
                indexer._use(language)
            return indexer
        except BaseException:
            store.close()
            raise

    def close(self) -> None:
        self._reading.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def index(
        self,
        paths: Sequence[str | Path],
        *,
        name: str | None = None,
        prune: bool = False,
        on_file: OnFile | None = None,
    ) -> IndexReport:
        """Makes the index hold these files and folders as they are now.

        name: under which the one path stands in the index; None = its own name.
        prune: remove files that are gone even if they are most of them.
        Raises InputError for a path that is not there or cannot be listed; RetrievalError if the index holds another
        folder of that name.
        """
        started = time.monotonic()
        report = IndexReport()
        roots = roots_of(paths, name)
        self._remember(roots, is_named=name is not None)
        skipped: Counter[str] = Counter()
        files = [file for root in roots for file in files_of(root, SUFFIXES, skip=self._own_path(), skipped=skipped)]
        report.num_files = len(files)
        report.skipped = dict((+skipped).most_common())
        self._guess_language(files)
        self._take(self._preparation.portions(self._to_do(files, report)), report, on_file)
        self._remove_missing(roots, {file.source for file in files}, report, prune=prune)
        self.store.finish()
        report.seconds = time.monotonic() - started
        return report

    def add_bytes(self, content: bytes, name: str) -> IndexReport:
        """One file's content under a name, such as a browser sent it; replaces what had that name."""
        report = IndexReport(num_files=1)
        record = FileRecord(printable(name), "", "writing")
        self._begin([record])
        self._take(self._preparation.of_file(content, record), report, None)
        return report

    def _use(self, language: str) -> None:
        """Decides the language if it is open. Raises RetrievalError if the index was made for another one."""
        info, analyzer = self.store.info, TermAnalyzer(language)
        if info.is_language_open and self.store.count() == 0:
            self._analyzer = analyzer
            info.analyzer, info.is_language_open = analyzer.to_dict(), False
            self.store.save_info()
        elif analyzer.to_dict() != info.analyzer:
            raise RetrievalError(
                f"{self.store.where} was made for the language {info.analyzer.get('language')!r}, not {language!r}; "
                "leave it out, or make a new index"
            )

    def _guess_language(self, files: Sequence[FoundFile]) -> None:
        """Of an index without a chunk whose language is open; it stays open where there is no text to tell it."""
        if self.store.info.is_language_open and self.store.count() == 0:
            texts = samples_of([(file.path, file.source) for file in files])
            if texts:
                self._use(guess_language(texts))

    def _remember(self, roots: Sequence[Root], *, is_named: bool) -> None:
        known = self.store.info.roots
        for root in roots:
            before = known.get(root.name)
            if before not in (None, root.place) and not is_named:
                raise RetrievalError(
                    f"{self.store.where} holds {root.name!r} from {before}, not from {root.place}; if it has moved, "
                    f"say --as {root.name}; if it is another folder, give it another name with --as"
                )
            known[root.name] = root.place
        self.store.save_info()

    def _own_path(self) -> Path | None:
        return self.store.path if isinstance(self.store, MilvusStore) else None

    def _to_do(self, files: Sequence[FoundFile], report: IndexReport) -> Iterator[tuple[Path, FileRecord]]:
        """The files that are new or have changed, with their records as they are stored before the first chunk."""
        for start in range(0, len(files), _LOOKED_UP_TOGETHER):
            found = [(file, _record_of(file)) for file in files[start : start + _LOOKED_UP_TOGETHER]]
            known = self.store.files([record.id for _, record in found])
            begun: list[tuple[Path, FileRecord]] = []
            for file, record in found:
                before = known.get(record.id)
                if before is not None and before.state != "writing" and before.digest == record.digest != "":
                    report.num_unchanged += 1
                    if before.error is not None:
                        report.unreadable.append((before.source, before.error))
                    continue
                report.num_changed += before is not None and before.state != "writing"
                report.num_new += before is None or before.state == "writing"
                begun.append((file.path, record))
            self._begin([record for _, record in begun], [record.id for _, record in begun if record.id in known])
            yield from begun

    def _begin(self, records: Sequence[FileRecord], known: Sequence[str] | None = None) -> None:
        """From here on a kill leaves records that say "writing", whose chunks the next run removes."""
        if not records:
            return
        self.store.put_files(records)
        stale = [record.id for record in records] if known is None else known
        if stale:
            self.store.remove(stale)

    def _take(self, portions: Generator[Portion], report: IndexReport, on_file: OnFile | None) -> None:
        """Embeds and stores in good measures; records follow their chunks."""
        waiting: list[Portion] = []
        num_chunks = num_stored = 0

        def store() -> None:
            nonlocal num_chunks, num_stored
            self._store(waiting, report)
            num_stored += sum(portion.is_last for portion in waiting)
            waiting.clear()
            num_chunks = 0
            if on_file is not None:
                on_file(min(report.num_files, report.num_unchanged + num_stored), report.num_files)

        with closing(portions):
            for portion in portions:
                waiting.append(portion)
                num_chunks += len(portion.chunks)
                if num_chunks >= _EMBEDDED_TOGETHER or len(waiting) >= _LOOKED_UP_TOGETHER:
                    store()
        store()

    def _store(self, portions: Sequence[Portion], report: IndexReport) -> None:
        entries = self._entries(portions)
        if entries:
            self.store.add(entries)
        for portion in portions:
            portion.record.num_chunks += len(portion.chunks)
        ended = [portion.record for portion in portions if portion.is_last]
        broken = [record for record in ended if record.state == "unreadable" and record.num_chunks]
        if broken:
            self.store.remove([record.id for record in broken])
        for record in broken:
            report.num_chunks -= record.num_chunks
            record.num_chunks = 0
        self.store.put_files(ended)
        for record in ended:
            _report(record, report)
        report.num_chunks += len(entries)
        self._num_unflushed += len(entries)
        if self._num_unflushed >= _FLUSH_EVERY:
            self.store.finish()
            self._num_unflushed = 0

    def _entries(self, portions: Sequence[Portion]) -> list[Entry]:
        """Chunks with vectors and terms. What has no vector is left out and noted, and its file is tried again."""
        owned = [(chunk, portion.record) for portion in portions for chunk in portion.chunks]
        texts = [embedding_text(chunk) for chunk, _ in owned]
        answer = self._embedder.embed(texts) if texts else None
        entries: list[Entry] = []
        for index, ((chunk, record), text) in enumerate(zip(owned, texts, strict=True)):
            assert answer is not None
            if index in answer.errors:
                record.notes = (*record.notes, f"{chunk.place}: not indexed, {answer.errors[index]}")
                record.digest = ""
            else:
                entries.append(Entry(chunk, answer.vectors[index], self._analyzer.terms(text)))
        return entries

    def _remove_missing(self, roots: Sequence[Root], there: set[str], report: IndexReport, *, prune: bool) -> None:
        known = [record for record in self.store.all_files() if any(root.holds(record.source) for root in roots)]
        gone = [record for record in known if record.source not in there]
        if len(gone) > max(_MANY_GONE, len(known) // 2) and not prune:
            report.num_missing = len(gone)
            return
        ids = [record.id for record in gone]
        self.store.remove(ids)
        self.store.forget_files(ids)
        report.num_removed = len(gone)


def new_info(embedder: Embedder, chunker: Chunker, analyzer: TermAnalyzer) -> IndexInfo:
    """Of an index made with these."""
    return IndexInfo(
        embedding_model=embedder.info.name,
        embedding_fingerprint=embedder.info.fingerprint,
        dimensions=embedder.info.dimensions,
        chunk_tokens=chunker.chunk_tokens,
        overlap=chunker.overlap,
        analyzer=analyzer.to_dict(),
        is_default_embedding=embedder.info.is_default,
        embedding_base_url=embedder.info.base_url,
    )


def _record_of(file: FoundFile) -> FileRecord:
    try:
        return FileRecord(file.source, file.digest(), "writing")
    except OSError:  # reading it will say why
        return FileRecord(file.source, "", "writing")


def _report(record: FileRecord, report: IndexReport) -> None:
    if record.error is not None:
        report.unreadable.append((record.source, record.error))
    report.notes += record.notes
