"""What the reranker is given: BM25, vectors, both fused, or somebody else's run. Made once, then cached."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .. import __version__
from ..errors import InputError
from ..retrieval.fusion import RRF_K, codes_of
from .bm25 import TermSearch
from .cache import EvaluationCache, key_of
from .files import named
from .fusion import fuse
from .ordering import ranked
from .trec import read_run
from .types import Cost, Dataset, Run

if TYPE_CHECKING:
    from ..embedder import Embedder

NAMES: Final = ("bm25", "dense", "hybrid")
RUN_PREFIX: Final = "run:"

OnProgress = Callable[[int, int], None]


def stage_name(first_stage: str) -> str:
    """What its stage is called: a run by the name of its file."""
    return Path(first_stage[len(RUN_PREFIX) :]).name if first_stage.startswith(RUN_PREFIX) else first_stage


@dataclass(slots=True)
class Retrieved:
    """A first stage's results.   settings: how they were made, as JSON values."""

    name: str
    run: Run
    cost: Cost = field(default_factory=Cost)
    settings: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Retriever:
    """Makes first stages of one dataset.

    num_results: most documents for a query; a run from a file keeps all it has.
    language: of the corpus, for BM25's terms; None = guessed.   load_embedder: called when vectors are needed.
    """

    dataset: Dataset
    cache: EvaluationCache
    num_results: int
    load_embedder: "Callable[[], Embedder]"
    language: str | None = None
    on_progress: OnProgress | None = None
    _terms: TermSearch | None = field(default=None, init=False)

    def retrieve(self, name: str) -> Retrieved:
        """`bm25`, `dense`, `hybrid` or `run:FILE`. Raises InputError for any other, or without texts to search in."""
        if name.startswith(RUN_PREFIX):
            return self._from_file(Path(name[len(RUN_PREFIX) :]).expanduser())
        if name not in NAMES:
            raise InputError(f"unknown first stage {name!r}; known: {', '.join(NAMES)}, {RUN_PREFIX}FILE")
        if not self.dataset.corpus:
            raise InputError(
                f"{self.dataset.name} has judgements but no texts for {name} to search in; give --queries and "
                f"--corpus, or a run with --first-stage {RUN_PREFIX}FILE"
            )
        return {"bm25": self._bm25, "dense": self._dense, "hybrid": self._hybrid}[name]()

    def _bm25(self) -> Retrieved:
        return self._words("bm25", list)

    def _words(self, name: str, pick: Callable[[list[str]], list[str]]) -> Retrieved:
        """By those of the query's terms that `pick` gives."""
        search = self._terms = self._terms or TermSearch(self.dataset, self.language)
        terms = key_of(search.sample()).hex()
        return self._known(name, search.settings, [terms], lambda: search.run(self.num_results, pick))

    def _dense(self) -> Retrieved:
        from .dense import dense_run

        embedder = self.load_embedder()
        info = embedder.info
        settings = {"embedding_model": info.name, "embedding_fingerprint": info.fingerprint}
        return self._known(
            "dense",
            settings,
            [],
            lambda: dense_run(self.dataset, embedder, self.num_results, self.cache, self.on_progress),
        )

    def _hybrid(self) -> Retrieved:
        """As `Searcher` does it: the query's codes alone are a third recall."""
        bm25, dense, codes = self._bm25(), self._dense(), self._words("codes", codes_of)
        run = fuse([bm25.run, dense.run, codes.run], self.num_results)
        settings = bm25.settings | dense.settings | {"rrf_k": RRF_K, "codes": True}
        return Retrieved("hybrid", run, _sum_of_times(_sum_of_times(bm25.cost, dense.cost), codes.cost), settings)

    def _known(
        self,
        name: str,
        settings: dict[str, Any],
        more: list[str],
        make: Callable[[], tuple[Run, dict[str, float]]],
    ) -> Retrieved:
        """From the cache, or made and put there. Times that an earlier run measured are told as such."""
        key = key_of(name, __version__, self.dataset.fingerprint, self.num_results, settings, more)
        known = self.cache.run(key)
        if known is not None:
            return Retrieved(name, known[0], Cost(earlier_seconds=known[1]), settings)
        run, seconds = make()
        self.cache.add_run(key, run, seconds)
        return Retrieved(name, run, Cost(seconds=seconds), settings)

    def _from_file(self, file: Path) -> Retrieved:
        warnings: list[str] = []
        given = read_run(file, warnings)
        judged = {query_id: given.get(query_id, {}) for query_id in self.dataset.qrels}
        if not any(judged.values()):
            raise InputError(f"{file} has no results for any of the {len(judged):,} judged queries")
        unjudged = [query_id for query_id in given if query_id not in judged]
        if unjudged:
            warnings.append(f"{file}: {len(unjudged):,} queries are not judged and left out: {named(unjudged)}")
        empty = [query_id for query_id, scores in judged.items() if not scores]
        if empty:
            warnings.append(f"{file}: {len(empty):,} judged queries have no results and count 0: {named(empty)}")
        if self.dataset.corpus:
            unknown = sorted({each for scores in judged.values() for each in scores if each not in self.dataset.corpus})
            if unknown:
                warnings.append(
                    f"{file}: {len(unknown):,} documents have no text in the corpus and keep their place behind the "
                    f"reranked ones: {named(unknown)}"
                )
        excluded = self.dataset.excluded_by_query
        run = {query_id: _ordered(scores, excluded.get(query_id, set())) for query_id, scores in judged.items()}
        return Retrieved(stage_name(f"{RUN_PREFIX}{file}"), run, settings={"run": str(file)}, warnings=warnings)


def _ordered(scores: dict[str, float], unwanted: set[str]) -> dict[str, float]:
    return {document_id: scores[document_id] for document_id in ranked(scores) if document_id not in unwanted}


def _sum_of_times(a: Cost, b: Cost) -> Cost:
    """Of this run only where both were measured in it."""
    now = {query_id: a.seconds[query_id] + b.seconds[query_id] for query_id in a.seconds if query_id in b.seconds}
    of_a, of_b = a.earlier_seconds | a.seconds, b.earlier_seconds | b.seconds
    earlier = {query_id: of_a[query_id] + of_b[query_id] for query_id in of_a if query_id in of_b}
    return Cost(seconds=now, earlier_seconds={} if now else earlier)
