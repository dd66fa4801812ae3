"""What reranking is worth here: BM25, vectors and both fused, each with and without rerankers, on real data.

    python -m benchmarks.evaluation_table [--model NAME ...] [--set NAME ...] [--limit N] [--depth 100]

One command makes the whole table again. Everything computed is cached, so a run that is stopped goes on where it was,
and a further model costs only its own work. Data: the folder in FINERANK_DATA, ../shared/data where that is not set.
Writes benchmarks/results/DATE-evaluation.json and .md. `--estimate` only says how much there is to compute.
"""

import argparse
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import torch

import finerank
from finerank import Embedder, Reranker
from finerank.cli.evaluation_contenders import Spelled, read_contender
from finerank.evaluation import EvaluationCache, compare, load_dataset, sample_queries
from finerank.evaluation.cache import default_folder
from finerank.evaluation.records import evaluation_record
from finerank.evaluation.types import SIGNIFICANT, Dataset, Evaluation, PairedTest, Stage
from finerank.hardware import device_name

METRIC: Final = "nDCG@10"
FIRST_STAGES: Final = ("bm25", "dense", "hybrid")
RESULTS: Final = Path(__file__).parent / "results"
PAIRS_MEASURED: Final = 64
UNION: Final = 1.5
"""Different candidates of the three first stages, by the depth: 1.51 on 30 queries of cranfield at depth 100."""


@dataclass(frozen=True, slots=True)
class Task:
    """A data set, or two halves of parallel ones."""

    name: str
    folder: str
    queries_from: str | None = None
    corpus_from: str | None = None

    def load(self, root: Path, limit: int) -> Dataset:
        """At most `limit` queries, drawn with seed 0; 0 = all."""
        dataset = load_dataset(
            root / self.folder, split="dev", queries_from=self.queries_from, corpus_from=self.corpus_from
        )
        return sample_queries(dataset, limit) if limit else dataset


TASKS: Final = (
    Task("scifact", "scifact"),
    Task("nfcorpus", "nfcorpus"),
    Task("cranfield", "cranfield"),
    Task("fairytaleqa", "fairytaleqa"),
    Task("cosqa", "cosqa"),
    Task("xquad en->en", "xquad", "en", "en"),
    Task("xquad zh->en", "xquad", "zh", "en"),
    Task("xquad de->en", "xquad", "de", "en"),
    Task("xquad en->de", "xquad", "en", "de"),
    Task("xquad ru->en", "xquad", "ru", "en"),
    Task("mlqa en->en", "mlqa", "en", "en"),
    Task("mlqa zh->en", "mlqa", "zh", "en"),
    Task("mlqa de->en", "mlqa", "de", "en"),
    Task("cmrc2018", "cmrc2018"),
)


def main() -> None:
    asked = _asked()
    root = Path(os.environ.get("FINERANK_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not root.is_dir():
        sys.exit(f"no data at {root}; set FINERANK_DATA")
    tasks = [task for task in TASKS if not asked.sets or task.name in asked.sets or task.folder in asked.sets]
    if not tasks:
        sys.exit(f"no such set; there are {', '.join(task.name for task in TASKS)}")
    models = [read_contender(each) for each in asked.models or ["embedded"]]
    if asked.estimate:
        estimate(tasks, root, asked.limit, asked.depth, models)
        return
    rows: list[tuple[Task, Evaluation]] = []
    started = time.perf_counter()
    with EvaluationCache(asked.cache) as cache:
        for found in measure(tasks, root, asked.limit, asked.depth, models, cache):
            rows.append(found)
            conditions = _conditions(asked, models, time.perf_counter() - started)
            write(rows, conditions, root, asked.out)
    print(table(rows))


def measure(
    tasks: Sequence[Task], root: Path, limit: int, depth: int, models: Sequence[Spelled], cache: EvaluationCache
) -> Iterator[tuple[Task, Evaluation]]:
    """Every set over every first stage; the rerankers' scores of shared candidates are computed once."""
    loaded = [model.contender({"self_test": "off"}) for model in models]
    for contender in loaded:
        if callable(contender.reranker):
            contender.reranker = contender.reranker()  # kept: loading and hashing for each row would cost more
    embedder = Embedder()
    for task in tasks:
        dataset = task.load(root, limit)
        for first_stage in FIRST_STAGES:
            found = compare(
                dataset,
                loaded,
                first_stage=first_stage,
                depth=depth,
                embedder=embedder,
                cache=cache,
                on_progress=_progress,
            )
            print(f"\r{_line(task, found)}", file=sys.stderr, flush=True)
            yield task, found


def estimate(tasks: Sequence[Task], root: Path, limit: int, depth: int, models: Sequence[Spelled]) -> None:
    """How much is to be computed, and for how long at the rate of this machine now."""
    num_documents = num_pairs = 0
    texts: list[str] = []
    for task in tasks:
        dataset = task.load(root, limit)
        num_documents += len(dataset.corpus)
        num_pairs += round(len(dataset.queries) * min(len(dataset.corpus), UNION * depth))
        texts += [document.full_text for document in list(dataset.corpus.values())[:8]]
    print(f"{len(tasks)} sets: {num_documents:,} documents to embed, about {num_pairs:,} pairs for each model")
    for model in models:
        reranker = model.contender({"self_test": "off"}).reranker
        with reranker() if not isinstance(reranker, Reranker) else reranker as ready:
            ready.rank("warm", ["up"])
            seconds = ready.rank("how fast is it?", (texts * PAIRS_MEASURED)[:PAIRS_MEASURED]).facts.seconds
        rate = PAIRS_MEASURED / seconds
        hours = (num_pairs + num_documents) / rate / 3600
        print(f"{model.name}: {rate:.0f} pairs/s now, so about {hours:.1f} h, if a document embeds as fast as a pair")


def table(rows: Sequence[tuple[Task, Evaluation]]) -> str:
    """Markdown: one line a set and first stage; bold is what is significantly better, a minus what is worse."""
    names = list(dict.fromkeys(stage.name for _, found in rows for stage in found.stages if stage.kind == "reranked"))
    head = ["set", "queries", "first stage", METRIC, *(f"+ {name}" for name in names), "p", "oracle"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for task, found in rows:
        stages = {stage.name: stage for stage in found.stages}
        first, oracle = found.stages[0], found.stages[-1]
        cells = [task.name, f"{len(found.dataset.qrels):,}", first.name, f"{first.means[METRIC]:.4f}"]
        tests = [_test(found, first.name, name) for name in names]
        cells += [_reranked(stages[name], test) for name, test in zip(names, tests, strict=True)]
        cells += [", ".join(_p(test) for test in tests), f"{oracle.means[METRIC]:.4f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def summary(rows: Sequence[tuple[Task, Evaluation]]) -> str:
    """Markdown: one line a set, the first stages side by side, and what reranking BM25 and the hybrid makes of them."""
    names = list(dict.fromkeys(stage.name for _, found in rows for stage in found.stages if stage.kind == "reranked"))
    reranked = [f"{stage} + {name}" for name in names for stage in ("bm25", "hybrid")]
    head = ["set", "queries", *FIRST_STAGES, *reranked, "best order of the hybrid's"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for task in dict.fromkeys(task for task, _ in rows):
        found = {each.stages[0].name: each for of, each in rows if of == task}
        if set(found) != set(FIRST_STAGES):
            continue
        cells = [task.name, f"{len(found['bm25'].dataset.qrels):,}"]
        cells += [f"{found[name].stages[0].means[METRIC]:.3f}" for name in FIRST_STAGES]
        for name in names:
            for first in ("bm25", "hybrid"):
                stage = next(each for each in found[first].stages if each.name == name)
                cells.append(_reranked(stage, _test(found[first], first, name), 3))
        lines.append("| " + " | ".join([*cells, f"{found['hybrid'].stages[-1].means[METRIC]:.3f}"]) + " |")
    return "\n".join(lines)


def _reranked(stage: Stage, test: PairedTest, digits: int = 4) -> str:
    value = f"{stage.means[METRIC]:.{digits}f}"
    if not test.is_significant:
        return value
    return f"**{value}**" if test.difference > 0 else f"{value} (worse)"


def _test(found: Evaluation, a: str, b: str) -> PairedTest:
    return next(test for test in found.tests if (test.metric, test.a, test.b) == (METRIC, a, b))


def _p(test: PairedTest) -> str:
    return "< 0.001" if test.p_decisive < 0.001 else f"{test.p_decisive:.3f}"


def _line(task: Task, found: Evaluation) -> str:
    figures = ", ".join(f"{stage.name} {stage.means[METRIC]:.4f}" for stage in found.stages)
    return f"{task.name}: {figures} ({found.seconds:.0f} s)".ljust(100)


def _progress(part: str, done: int, total: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{part}: {done:,} of {total:,}".ljust(60), end="", file=sys.stderr, flush=True)


def write(
    rows: Sequence[tuple[Task, Evaluation]], conditions: dict[str, Any], root: Path, out: Path | None = None
) -> None:
    """After every line, so that a run that is stopped leaves what it has. No path of this machine is written."""
    date = datetime.now(UTC).date().isoformat()
    record = {"date": date, **conditions, "rows": [{"set": task.name} | evaluation_record(of) for task, of in rows]}
    RESULTS.mkdir(exist_ok=True)
    file = out or RESULTS / f"{date}-evaluation.json"
    as_json = json.dumps(record, indent=1, allow_nan=False, ensure_ascii=False)
    as_markdown = "\n\n".join(
        [f"# Evaluation, {date}", _explained(conditions), summary(rows), table(rows), _notes(rows)]
    )
    for path, text in ((file, as_json), (file.with_suffix(".md"), as_markdown)):
        path.write_text(text.replace(f"{root}/", "") + "\n", encoding="utf-8")


def _conditions(asked: argparse.Namespace, models: Sequence[Spelled], seconds: float) -> dict[str, Any]:
    return {
        "command": command(asked),
        "finerank": finerank.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": device_name(torch.device("cuda" if torch.cuda.is_available() else "cpu")),
        "threads": torch.get_num_threads(),
        "limit": asked.limit,
        "depth": asked.depth,
        "models": [model.name for model in models],
        "seconds_of_this_run": round(seconds, 1),
    }


def command(asked: argparse.Namespace) -> str:
    """As it was typed, but for paths of this machine."""
    words = ["python", "-m", "benchmarks.evaluation_table"]
    for flag, values in (("--model", asked.models), ("--set", asked.sets)):
        words += [word for value in values or [] for word in (flag, value)]
    for flag, value, default in (("--limit", asked.limit, 0), ("--depth", asked.depth, 100)):
        words += [flag, str(value)] if value != default else []
    return shlex.join(words)


def _explained(conditions: dict[str, Any]) -> str:
    limit = (
        f"at most {conditions['limit']} queries a set, drawn at random with seed 0" if conditions["limit"] else "all"
    )
    return (
        f"Made by `{conditions['command']}`; {conditions['device']}, "
        f"finerank {conditions['finerank']}. {METRIC} (trec_eval's, linear gain); queries: {limit}; the first stage's "
        f"best {conditions['depth']} reranked, nothing added. p: paired randomisation test of the reranked order "
        "against its first stage, 10,000 resamples (Holm-corrected with several models); bold: significantly better, "
        f"(worse): significantly worse, p < {SIGNIFICANT}. Oracle: the best order of the same candidates."
    )


def _notes(rows: Sequence[tuple[Task, Evaluation]]) -> str:
    """What was odd in each set, once."""
    notes = dict.fromkeys(f"- {task.name}: {note}" for task, found in rows for note in found.dataset.warnings)
    # Of the reranker's warnings those over one first stage will do.
    notes |= dict.fromkeys(
        f"- {task.name}: {note}" for task, found in rows if found.stages[0].name == "bm25" for note in found.warnings
    )
    return "\n".join(notes)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", dest="models", action="append", help="as a contender of `finerank compare`")
    parser.add_argument("--set", dest="sets", action="append", help="name or folder; all without")
    parser.add_argument("--limit", type=int, default=0, help="queries a set; 0 = all")
    parser.add_argument("--depth", type=int, default=100)
    parser.add_argument("--cache", type=Path, default=default_folder())
    parser.add_argument("--out", type=Path, help="the JSON; the Markdown stands beside it")
    parser.add_argument("--estimate", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
