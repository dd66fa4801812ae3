"""`mine`: hard negatives, which a first stage takes for answers and which are none.

    examples -> MiningPool -> first stage -> a window of its ranks -> Judge -> examples with negatives, and a report

What is computed is in the evaluation's cache at once, so a mining that was interrupted goes on, and scores that an
evaluation has computed are found.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..evaluation.cache import EvaluationCache
from ..evaluation.first_stage import Retrieved, Retriever
from .examples import Example
from .mining_judge import FirstStageJudge, Judge, OnProgress, TeacherJudge
from .mining_options import NO_MARGIN, MiningOptions
from .mining_pool import MiningPool, pool_of
from .mining_report import MiningReport
from .mining_search import Search

if TYPE_CHECKING:
    from ..embedder import Embedder
    from ..reranker import Reranker


@dataclass(slots=True)
class Mined:
    """examples: one for each query with its instruction that has a positive; labelled negatives first, then the mined
    ones by rank, then random ones.   pool: the texts behind the ids of the report.
    """

    examples: list[Example]
    report: MiningReport
    pool: MiningPool


def mine(
    examples: Iterable[Example],
    documents: Iterable[str] = (),
    options: MiningOptions | None = None,
    *,
    teacher: "Reranker | Callable[[], Reranker] | None" = None,
    embedder: "Embedder | Callable[[], Embedder] | None" = None,
    cache: EvaluationCache | Path | None = None,
    on_progress: OnProgress | None = None,
) -> Mined:
    """Negatives for every query of the examples, from their own documents and `documents`.

    A document that the data calls a positive of the query, in any example with that query, is never one, nor is the
    query itself; texts are compared without case, white space and Unicode's forms.
    teacher: a stronger reranker, or how to load one when its turn comes: what it likes as well as the positives is
    dropped, and its log-odds are kept in the examples.   embedder: for "dense" and "hybrid"; None = the embedded model.
    cache: an open one, or its folder; None = nothing is kept.
    Raises InputError for data without a positive and options that contradict themselves, and what `Reranker.rank`
    raises of the model itself; what was computed until then is in the cache.
    """
    started = time.perf_counter()
    options = options or MiningOptions()
    options.check(has_teacher=teacher is not None)
    listed = list(examples)
    pool = pool_of(listed, documents, options.instruction)
    with ExitStack() as stack:
        known = cache if isinstance(cache, EvaluationCache) else stack.enter_context(EvaluationCache(cache))
        retrieved = _retrieved(pool, options, known, embedder, on_progress)
        loaded = teacher() if callable(teacher) else teacher
        judge: Judge = (
            FirstStageJudge(retrieved.run, options.margin)
            if loaded is None
            else TeacherJudge(pool.dataset, loaded, known, options.margin, options.threshold, on_progress)
        )
        search = Search(pool, retrieved.run, judge, options)
    report = _report(len(listed), search, retrieved, judge, options)
    if loaded is not None:
        report.teacher = loaded.info
        if loaded is not teacher:
            loaded.close()  # not after Ctrl-C, which must not wait for the batch in hand
    report.warnings += _warnings(listed)
    report.seconds = time.perf_counter() - started
    return Mined(list(_examples(search, judge)), report, pool)


def _examples(search: Search, judge: Judge) -> Iterator[Example]:
    for mined, others in zip(search.mined, search.random, strict=True):
        question = mined.question
        positives, negatives = (judge.readable(each, question) for each in (question.positives, question.negatives))
        scores = judge.log_odds[question.id] if isinstance(judge, TeacherJudge) else None
        yield search.pool.example(question, positives, [*negatives, *mined.found, *others.found], scores)


def _report(
    num_examples: int, search: Search, retrieved: Retrieved, judge: Judge, options: MiningOptions
) -> MiningReport:
    asked = {
        "depth": options.depth,
        "ranks": str(options.ranks),
        "sampling": options.sampling,
        "margin": NO_MARGIN if options.margin is None else str(options.margin),
        "threshold": options.threshold,
        "seed": options.seed,
    }
    report = MiningReport(
        num_examples,
        len(search.mined),
        len(search.pool.dataset.corpus),
        options.negatives,
        {"name": retrieved.name, **retrieved.settings, **asked},
    )
    for mined, others in zip(search.mined, search.random, strict=True):
        report.mined[len(mined.found)] += 1
        report.num_mined += len(mined.found)
        report.num_random += len(others.found)
        report.num_labelled += len(judge.readable(mined.question.negatives, mined.question))
        report.num_short += bool(mined.missing)
        report.num_filled += len(others.found) > options.random
    report.dropped, report.left_out = +search.dropped, search.pool.left_out
    report.doubtful_negatives, report.warnings = judge.doubts, list(retrieved.warnings)
    if isinstance(judge, TeacherJudge):
        _add_teacher(report, search, judge)
    return report


def _add_teacher(report: MiningReport, search: Search, judge: TeacherJudge) -> None:
    questions = [want.question for want in search.mined]
    unread = sum(
        len(labelled) - len(judge.readable(labelled, question))
        for question in questions
        for labelled in (question.positives, question.negatives)
    )
    lost = len(search.pool.questions) - len(questions)
    more = {
        "queries of which the teacher could read no positive": lost,
        "labelled documents that it could not read": unread,
    }
    report.left_out = report.left_out + Counter(more)
    report.doubtful_positives = judge.doubtful_positives(questions)
    report.warnings += judge.warnings


def _retrieved(
    pool: MiningPool,
    options: MiningOptions,
    cache: EvaluationCache,
    embedder: "Embedder | Callable[[], Embedder] | None",
    on_progress: OnProgress | None,
) -> Retrieved:
    progress = None if on_progress is None else lambda done, total: on_progress("embedding", done, total)
    with ExitStack() as stack:

        def load() -> "Embedder":
            from ..embedder import Embedder

            if embedder is not None and not callable(embedder):
                return embedder
            loaded = Embedder() if embedder is None else embedder()
            stack.callback(loaded.close)
            return loaded

        retriever = Retriever(pool.dataset, cache, options.depth, load, options.language, progress)
        return retriever.retrieve(options.first_stage)


def _warnings(examples: Sequence[Example]) -> Iterator[str]:
    """Of what the output cannot say."""
    candidates = [each for example in examples for each in example.candidates]
    graded = sum(0 < each.label < 1 for each in candidates)
    if graded:
        yield f"{graded:,} labels are grades between 0 and 1; what is relevant at all became a positive"
    if any(each.teacher is not None for each in candidates):
        yield "the data has a teacher's scores already; mined documents have none of that teacher, so they are left out"
