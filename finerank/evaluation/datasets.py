"""`load_dataset`: from files that people have to a `Dataset`. What a file means is in beir.py, trec.py, labelled.py.

What the files contradict is kept as trec_eval would: a judged document that the corpus lacks stays judged (it cannot be
found, so recall is below 1), a judged query without a text stays and counts 0. Both are named and counted.
"""

import hashlib
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..errors import InputError
from .beir import choose_split, read_corpus, read_queries
from .files import named
from .labelled import FORMATS, read_labelled
from .trec import read_excluded, read_qrels
from .types import CorpusDocument, Dataset, Qrels

_Pairs = frozenset[tuple[str, str]]


def load_dataset(
    data: str | Path,
    *,
    split: str | None = None,
    queries_from: str | None = None,
    corpus_from: str | None = None,
    queries: str | Path | None = None,
    corpus: str | Path | None = None,
    drop_identical_ids: bool = False,
) -> Dataset:
    """Queries, documents and judgements from `data`:

    a BEIR folder (corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv, perhaps exclude.tsv);
    a folder of such folders that share their ids, with `queries_from` and `corpus_from` naming two of them: the
    judgements are the corpus's, of the queries that both have;
    a CSV, JSONL or JSON list with query, document and label;
    a file of TREC's qrels, with `queries` and `corpus` (JSONL as BEIR's) if there are texts.

    split: None = dev, else test, else the only one.
    drop_identical_ids: a document with the query's own id must not stand in its ranking (ArguAna, Quora).
    Raises InputError for what cannot be read; what is merely odd is in the dataset's `warnings`.
    """
    path = Path(data).expanduser()
    if not path.exists():
        raise InputError(f"there is no file or folder {data}")
    if path.is_dir():
        if queries is not None or corpus is not None:
            raise InputError(f"{data} is a folder with its own texts; --queries and --corpus belong to a file of qrels")
        dataset = _from_folder(path, split, queries_from, corpus_from)
    elif split is not None or queries_from is not None or corpus_from is not None:
        raise InputError(f"{data} is a file; --split, --queries-from and --corpus-from belong to a folder")
    elif path.suffix.lower() in FORMATS:
        dataset = _from_labelled(path)
    else:
        dataset = _from_qrels(path, queries, corpus)
    if drop_identical_ids:
        dataset.excluded |= {(query_id, query_id) for query_id in dataset.qrels if query_id in dataset.corpus}
    _look_for_itself(dataset)
    dataset.fingerprint = fingerprint_of(dataset)
    return dataset


def sample_queries(dataset: Dataset, num: int, seed: int = 0) -> Dataset:
    """`num` queries drawn at random, the same for the same seed, over the whole corpus; said in `warnings`."""
    if num < 1:
        raise InputError(f"the limit is {num}; give at least 1 query")
    if num >= len(dataset.qrels):
        return dataset
    drawn = set(random.Random(seed).sample(sorted(dataset.qrels), num))
    said = f"measured on {num:,} of {len(dataset.qrels):,} queries, drawn at random with seed {seed}"
    sample = replace(
        dataset,
        queries={query_id: text for query_id, text in dataset.queries.items() if query_id in drawn},
        qrels={query_id: grades for query_id, grades in dataset.qrels.items() if query_id in drawn},
        warnings=[*dataset.warnings, said],
    )
    sample.fingerprint = fingerprint_of(sample)
    return sample


def fingerprint_of(dataset: Dataset) -> str:
    """16 hex digits over all that a ranking and its figures depend on."""
    digest = hashlib.blake2b(digest_size=8)
    for name, document in dataset.corpus.items():
        digest.update(repr((name, document.title, document.text)).encode())
    digest.update(repr([dataset.queries, dataset.qrels, sorted(dataset.excluded)]).encode())
    if dataset.instructions:
        digest.update(repr(dataset.instructions).encode())
    return digest.hexdigest()


def _from_folder(path: Path, split: str | None, queries_from: str | None, corpus_from: str | None) -> Dataset:
    if queries_from is None and corpus_from is None:
        return _from_beir(path, path, split, path.name)
    queries_from, corpus_from = queries_from or corpus_from or "", corpus_from or queries_from or ""
    for name in (queries_from, corpus_from):
        if not (path / name / "corpus.jsonl").is_file():
            there = ", ".join(sorted(each.parent.name for each in path.glob("*/corpus.jsonl"))) or "none"
            raise InputError(f"{path} has no folder {name!r} with a corpus.jsonl; it has {there}")
    return _from_beir(path / queries_from, path / corpus_from, split, f"{path.name} {queries_from}->{corpus_from}")


def _from_beir(queries_folder: Path, corpus_folder: Path, split: str | None, name: str) -> Dataset:
    for folder, file in ((corpus_folder, "corpus.jsonl"), (queries_folder, "queries.jsonl")):
        if not (folder / file).is_file():
            parallel = sorted(each.parent.name for each in folder.glob("*/corpus.jsonl"))
            remedy = (
                f"choose among {', '.join(parallel)} with --queries-from and --corpus-from"
                if parallel
                else ("a BEIR folder has corpus.jsonl, queries.jsonl, qrels/SPLIT.tsv")
            )
            raise InputError(f"{folder} has no {file}; {remedy}")
    warnings: list[str] = []
    judged = choose_split(corpus_folder, split)
    qrels = read_qrels(judged, warnings)
    texts = read_queries(queries_folder / "queries.jsonl", warnings)
    if queries_folder != corpus_folder:
        qrels = _shared(qrels, texts, warnings)
    corpus = read_corpus(corpus_folder / "corpus.jsonl", warnings)
    excluded: _Pairs = frozenset()
    if (corpus_folder / "exclude.tsv").is_file():
        excluded = read_excluded(corpus_folder / "exclude.tsv", warnings)
    return _dataset(name, judged.stem, texts, corpus, qrels, excluded, warnings)


def _from_labelled(path: Path) -> Dataset:
    warnings: list[str] = []
    texts, corpus, qrels = read_labelled(path, warnings)
    return _dataset(path.stem, "", texts, corpus, qrels, frozenset(), warnings)


def _from_qrels(path: Path, queries: str | Path | None, corpus: str | Path | None) -> Dataset:
    if (queries is None) != (corpus is None):
        raise InputError("--queries and --corpus belong together: a reranker reads both texts")
    warnings: list[str] = []
    qrels = read_qrels(path, warnings)
    if queries is None or corpus is None:
        return Dataset(path.stem, "", dict.fromkeys(qrels, ""), {}, qrels, warnings=warnings)
    texts = read_queries(Path(queries).expanduser(), warnings)
    return _dataset(
        path.stem, "", texts, read_corpus(Path(corpus).expanduser(), warnings), qrels, frozenset(), warnings
    )


def _dataset(
    name: str,
    split: str,
    texts: Mapping[str, str],
    corpus: Mapping[str, CorpusDocument],
    qrels: Qrels,
    excluded: _Pairs,
    warnings: list[str],
) -> Dataset:
    """Checks that the parts belong together; says what does not."""
    unknown = [query_id for query_id in qrels if query_id not in texts]
    if len(unknown) == len(qrels):
        raise InputError(f"{name}: none of the {len(qrels):,} judged queries has a text, such as {named(unknown)}")
    if unknown:
        warnings.append(f"{len(unknown):,} judged queries have no text and count 0: {named(unknown)}")
    missing = sorted({each for grades in qrels.values() for each in grades if each not in corpus})
    if missing:
        warnings.append(
            f"{len(missing):,} judged documents are not in the corpus; they stay judged, so recall counts them as not "
            f"found: {named(missing)}"
        )
    hopeless = [query_id for query_id, grades in qrels.items() if max(grades.values()) < 1]
    if hopeless:
        warnings.append(f"{len(hopeless):,} queries have no relevant document and count 0: {named(hopeless)}")
    queries = {query_id: texts[query_id] for query_id in qrels if query_id in texts}
    blank = [query_id for query_id, text in queries.items() if not text.strip()]
    if blank:
        warnings.append(f"{len(blank):,} queries are blank and count 0: {named(blank)}")
    excluded = frozenset((query_id, each) for query_id, each in excluded if query_id in qrels)
    return Dataset(name, split, queries, corpus, qrels, excluded, warnings=warnings)


def _shared(qrels: Qrels, texts: Mapping[str, str], warnings: list[str]) -> Qrels:
    """Judgements of the queries that the other folder has too."""
    shared = {query_id: grades for query_id, grades in qrels.items() if query_id in texts}
    if not shared:
        raise InputError("the two folders share no query id; --queries-from and --corpus-from need parallel folders")
    if len(shared) < len(qrels):
        warnings.append(
            f"{len(shared):,} of {len(qrels):,} judged queries are in both folders; only those are measured"
        )
    return shared


def _look_for_itself(dataset: Dataset) -> None:
    """Warns if queries are documents of the corpus: the query itself would be its own best answer."""
    same = [
        query_id
        for query_id, text in dataset.queries.items()
        if text.strip()
        and query_id in dataset.corpus
        and (query_id, query_id) not in dataset.excluded
        and text.strip() in (dataset.corpus[query_id].text.strip(), dataset.corpus[query_id].full_text)
    ]
    if same:
        dataset.warnings.append(
            f"{len(same):,} queries are documents of the corpus, with the same id and text: {named(same)}; drop them "
            "from their own rankings with --drop-identical-ids"
        )
