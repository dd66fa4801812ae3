"""Two-stage retrieval at the size that users have: `finerank index` in a process of its own, then searches.

    python -m benchmarks.retrieval [--only bm25|pages|medquad|manual] [--data FOLDER] [--work FOLDER] [--threads 2]

bm25     Milvus' BM25 beside bm25s over the very same terms, nDCG@10 on scifact and nfcorpus dev.
pages    50,000 generated manual pages (500 PDF files): at 5,000 and at 50,000 the time to index, memory of the indexing
         process, milliseconds to search (p50, p95), and whether the page of an alarm is found; the indexing process is
         killed in the middle once.
medquad  15,441 answers about health: the same, asked with 500 of their own questions.
manual   one PDF of 300 pages with "E07" in every header and in one body, through the command.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import torch

import finerank
from benchmarks.http_load import percentile
from benchmarks.manuals import Alarm, write_manual, write_manuals
from finerank.hardware import device_name

COMMAND = [sys.executable, "-c", "from finerank.cli import main; main()"]
Figures = dict[str, Any]


def index(folder: Path, db: Path, *, kill_after_s: float | None = None) -> Figures:
    """Seconds, the report of one run of the command, and its peak memory with the process that reads files."""
    command = [*COMMAND, "index", str(folder), "--db", str(db), "--language", "en", "--json"]
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    watched = psutil.Process(process.pid)
    peak = 0
    while process.poll() is None:
        try:
            family = [watched, *watched.children(recursive=True)]
            peak = max(peak, sum(each.memory_info().rss for each in family))
        except psutil.NoSuchProcess:
            continue
        if kill_after_s is not None and time.monotonic() - started > kill_after_s:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return {"killed_after_s": kill_after_s}
        time.sleep(0.2)
    output, _ = process.communicate()
    report: Figures = json.loads(output)
    report["notes"], report["unreadable"] = len(report["notes"]), len(report["unreadable"])
    return report | {"wall_s": round(time.monotonic() - started, 1), "peak_mb": round(peak / 1e6)}


def searches(db: Path, questions: Sequence[str], is_found: Callable[[int, Any], bool], num_timed: int = 100) -> Figures:
    """Milliseconds of the recall, without reranking, and how often the right chunk is the first or among ten."""
    from finerank.retrieval.searcher import Searcher

    process = psutil.Process()
    before = process.memory_info().rss
    started = time.monotonic()
    with Searcher.open(str(db)) as searcher:
        searcher.search("a first search makes the index", top_n=1)
        opened_s = time.monotonic() - started
        rows: dict[str, list[float]] = {}
        first = among_ten = 0
        for number, question in enumerate(questions):
            begun = time.perf_counter()
            result = searcher.search(question, top_n=10)
            if number < num_timed:
                rows.setdefault("all", []).append(time.perf_counter() - begun)
                for stage, seconds in result.facts.seconds.items():
                    rows.setdefault(stage, []).append(seconds)
            found = [is_found(number, hit.chunk) for hit in result.hits]
            first += found[:1] == [True]
            among_ten += any(found)
        num_chunks = searcher.store.count()
    ms = {
        stage: {"p50": round(1000 * statistics.median(each), 1), "p95": round(1000 * percentile(each, 0.95), 1)}
        for stage, each in rows.items()
    }
    return {
        "chunks": num_chunks,
        "ms": ms,
        "first": round(first / len(questions), 4),
        "among_ten": round(among_ten / len(questions), 4),
        "questions": len(questions),
        "opened_s": round(opened_s, 2),
        "memory_mb": round((process.memory_info().rss - before) / 1e6),
    }


def in_a_process(kind: str, work: Path, data: Path) -> Figures:
    """So that the memory of one measurement is not in the next."""
    command = [sys.executable, "-m", "benchmarks.retrieval", "--child", kind, "--work", str(work), "--data", str(data)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    answer: Figures = json.loads(done.stdout)
    return answer


def alarms_of(work: Path) -> list[tuple[str, Alarm]]:
    return [(source, Alarm(*alarm)) for source, alarm in json.loads((work / "alarms.json").read_text())]


def search_alarms(work: Path) -> Figures:
    """Each alarm of the indexed manuals is asked for by its code, 200 of them or a few more."""
    asked = alarms_of(work)[:: max(1, round(len(alarms_of(work)) / 200))]
    return searches(
        work / "pages.db",
        [alarm.question for _, alarm in asked],
        lambda number, chunk: chunk.source == asked[number][0] and chunk.page == asked[number][1].page,
    )


def fresh(work: Path, name: str) -> Path:
    """A file or folder that is not there: what an earlier run left would be found done."""
    path = work / name
    shutil.rmtree(path, ignore_errors=True)
    return path


def measure_pages(work: Path, data: Path) -> Figures:
    folder, db = fresh(work, "pages"), fresh(work, "pages.db")
    figures: Figures = {}
    alarms: list[tuple[str, Alarm]] = []
    for name, count, first in (("5000", 50, 0), ("50000", 450, 50)):
        for file, alarm in write_manuals(folder, count, 100, first=first):
            alarms.append((f"pages/{file.name}", alarm))
        (work / "alarms.json").write_text(json.dumps(alarms))
        figures[name] = {}
        if name == "50000":
            figures[name]["killed"] = index(folder, db, kill_after_s=60.0)
        figures[name]["index"] = index(folder, db)
        figures[name]["search"] = in_a_process("alarms", work, data)
        print(json.dumps({name: figures[name]}), file=sys.stderr, flush=True)
    figures["again"] = index(folder, db)
    return figures


def medquad_questions(data: Path) -> list[tuple[str, dict[str, int]]]:
    queries = {each["_id"]: each["text"] for each in _json_lines(data / "medquad" / "queries.jsonl")}
    qrels: dict[str, dict[str, int]] = {}
    for line in (data / "medquad" / "qrels" / "train.tsv").read_text().splitlines()[1:]:
        query, document, grade = line.split("\t")
        qrels.setdefault(query, {})[document] = int(grade)
    keys = sorted(qrels)[:: max(1, len(qrels) // 500)]
    return [(queries[key], qrels[key]) for key in keys]


def search_medquad(work: Path, data: Path) -> Figures:
    asked = medquad_questions(data)
    return searches(
        work / "medquad.db",
        [question for question, _ in asked],
        lambda number, chunk: chunk.document_id.rsplit("#", 1)[-1] in asked[number][1],
    )


def measure_medquad(work: Path, data: Path) -> Figures:
    file = data / "medquad" / "corpus.jsonl"
    return {"index": index(file, fresh(work, "medquad.db")), "search": in_a_process("medquad", work, data)}


def measure_manual(work: Path, data: Path) -> Figures:
    """Through the command, as a technician would."""
    folder, db = fresh(work, "manual"), fresh(work, "manual.db")
    folder.mkdir(parents=True, exist_ok=True)
    alarm = write_manual(folder / "press.pdf", 7, 300, "E07")
    report = index(folder, db)
    answers = {}
    for name, more in {"recall": ["--no-rerank"], "as_it_comes": []}.items():
        command = [*COMMAND, "search", alarm.question, "--db", str(db), "--json", *more]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        pages = [each["page"] for each in json.loads(done.stdout)["results"]]
        answers[name] = {"rank": pages.index(alarm.page) + 1 if alarm.page in pages else None, "pages": pages}
    return {"index": report, "page": alarm.page, "text": alarm.text, "answers": answers}


def measure_bm25(work: Path, data: Path) -> Figures:
    """The same terms, the same k1 and b: what differs is in how Milvus Lite counts documents."""
    from benchmarks.bm25_peers import compare

    return {name: compare(data / name, work) for name in ("scifact", "nfcorpus")}


def _json_lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


MEASUREMENTS = {"bm25": measure_bm25, "manual": measure_manual, "pages": measure_pages, "medquad": measure_medquad}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(MEASUREMENTS))
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FINERANK_DATA", "../shared/data")))
    parser.add_argument("--work", type=Path, default=Path("build/retrieval"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", choices=["alarms", "medquad"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    torch.set_num_threads(given.threads)
    given.work.mkdir(parents=True, exist_ok=True)
    if given.child:
        figures = search_alarms(given.work) if given.child == "alarms" else search_medquad(given.work, given.data)
        print(json.dumps(figures))
        return
    results: Figures = {
        "date": datetime.now(UTC).date().isoformat(),
        "finerank": finerank.__version__,
        "machine": f"{device_name(torch.device('cpu'))}, {platform.system()}",
    }
    for name, measure in MEASUREMENTS.items():
        if given.only in (None, name):
            results[name] = measure(given.work, given.data)
            print(json.dumps({name: results[name]}, indent=1), file=sys.stderr, flush=True)
    out = (
        given.out
        or Path("benchmarks/results") / f"{results['date']}-retrieval{f'-{given.only}' if given.only else ''}.json"
    )
    out.write_text(json.dumps(results, indent=1) + "\n")
    print(out)


if __name__ == "__main__":
    main()
