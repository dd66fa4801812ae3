"""A report that shows that a model runs right on a machine: golden values, a small ranking set, speed.

Made by `finerank evidence`, as Markdown that is worth publishing beside a model or a server.
"""

import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import torch

from . import __version__, golden
from .hardware import device_name
from .instructions import instruction_of_preset
from .reranker import Reranker
from .selftest import Check, run_checks
from .speed import NUM_DOCUMENTS, NUM_RUNS, NUM_WORDS, Speed, measure_speed


@dataclass(frozen=True, slots=True)
class GoldenRow:
    """expected, found: log-odds of the golden query and this document."""

    document: str
    expected: float
    found: float

    @property
    def difference(self) -> float:
        return abs(self.found - self.expected)


@dataclass(frozen=True, slots=True)
class RankingRow:
    """rank: place of the right document, from 1."""

    query: str
    rank: int
    score: float
    best_other_score: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found. golden: empty if the model is no yes/no model."""

    golden: tuple[GoldenRow, ...]
    ranking: tuple[RankingRow, ...]
    checks: tuple[Check, ...]
    speed: Speed

    @property
    def top_1(self) -> float:
        """Share of the queries whose right document is first."""
        return sum(row.rank == 1 for row in self.ranking) / len(self.ranking)

    @property
    def mean_reciprocal_rank(self) -> float:
        return sum(1 / row.rank for row in self.ranking) / len(self.ranking)


def gather(reranker: Reranker) -> Evidence:
    """Runs everything; some minutes for a large model on a CPU."""
    return Evidence(
        golden=golden_rows(reranker) if reranker.info.kind == "yes_no" else (),
        ranking=ranking_rows(reranker),
        checks=run_checks(reranker).checks,
        speed=measure_speed(reranker),
    )


def golden_rows(reranker: Reranker) -> tuple[GoldenRow, ...]:
    """The golden documents one by one, as the reference runs them."""
    found = [float(reranker.log_odds([(golden.QUERY, document)])[0]) for document in golden.LOG_ODDS_OF]
    values = zip(golden.LOG_ODDS_OF.items(), found, strict=True)
    return tuple(GoldenRow(document, expected, value) for (document, expected), value in values)


def ranking_rows(reranker: Reranker) -> tuple[RankingRow, ...]:
    """The small ranking set: English, Chinese, German and Spanish queries, five documents each, one right."""
    rows = []
    for case in load_ranking_set():
        instruction = instruction_of_preset(case["instruction"]) if reranker.info.default_instruction else None
        ranking = reranker.rank(case["query"], case["documents"], instruction=instruction)
        rank = [each.index for each in ranking].index(case["best"]) + 1
        others = max(each.score for each in ranking if each.index != case["best"])
        rows.append(RankingRow(case["query"], rank, ranking[rank - 1].score, others))
    return tuple(rows)


def load_ranking_set() -> list[dict[str, Any]]:
    """Objects with query, instruction (a preset), documents, and the index of the best one."""
    lines = (files("finerank.data") / "evidence.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def as_markdown(reranker: Reranker, evidence: Evidence) -> str:
    """The report."""
    sections = (
        _conditions(reranker),
        _golden_table(reranker, evidence.golden),
        _ranking_table(evidence),
        _checks_table(evidence.checks),
        _speed_table(evidence.speed),
    )
    return f"# Evidence for {reranker.info.name}\n\n" + "\n\n".join(sections) + "\n"


def _conditions(reranker: Reranker) -> str:
    info = reranker.info
    return _table(
        ("what", "value"),
        [
            ("model", f"{info.name}, revision {info.revision or 'not stated'}"),
            ("fingerprint", info.fingerprint),
            ("dtype, device", f"{info.dtype}, {device_name(torch.device(info.device))}"),
            ("software", f"finerank {__version__}, torch {torch.__version__}, Python {platform.python_version()}"),
            ("date", datetime.now(UTC).date().isoformat()),
        ],
    )


def _golden_table(reranker: Reranker, rows: Sequence[GoldenRow]) -> str:
    title = f"## Golden values of {golden.MODEL}\n\n"
    if not rows:
        return title + "Not for this kind of model."
    worst = max(row.difference for row in rows)
    verdict = f"Largest difference {worst:.1e}; "
    if reranker.info.dtype != "float32":
        verdict += "the tolerance is for float32 (run again with `--dtype float32`)."
    elif worst <= golden.TOLERANCE:
        verdict += f"within {golden.TOLERANCE:.0e}: exact."
    else:
        verdict += f"NOT within {golden.TOLERANCE:.0e}: another model, or something is wrong."
    cells = [(row.document, f"{row.expected:.5f}", f"{row.found:.5f}") for row in rows]
    return f"{title}Query: {golden.QUERY}\n\n{_table(('document', 'expected', 'found'), cells)}\n\n{verdict}"


def _ranking_table(evidence: Evidence) -> str:
    cells = [(row.query, str(row.rank), f"{row.score:.4f}", f"{row.best_other_score:.4f}") for row in evidence.ranking]
    summary = (
        f"Right document first: {evidence.top_1:.0%} of {len(cells)} queries; mean reciprocal rank "
        f"{evidence.mean_reciprocal_rank:.3f}."
    )
    head = ("query", "rank of the right document", "its score", "best other score")
    return f"## A small ranking set\n\n{_table(head, cells)}\n\n{summary}"


def _checks_table(checks: Sequence[Check]) -> str:
    cells = [(check.name, "passed" if check.is_passed else "FAILED", check.detail) for check in checks]
    return f"## Self-test\n\n{_table(('check', 'result', 'detail'), cells)}"


def _speed_table(speed: Speed) -> str:
    cells = [
        ("prompt tokens/s", f"{speed.prompt_tokens_per_s:,.0f}"),
        ("computed tokens/s", f"{speed.computed_tokens_per_s:,.0f}"),
        ("documents/s", f"{NUM_DOCUMENTS / speed.seconds:.2f}"),
    ]
    if speed.machine_share is not None and speed.machine_flops is not None:
        share = f"{speed.machine_share:.0%} of {speed.machine_flops / 1e9:,.0f} GFLOP/s"
        cells.append(("of this machine's matrix-product rate", share))
    workload = f"1 query, {NUM_DOCUMENTS} documents of {NUM_WORDS} words, new texts each time, median of {NUM_RUNS}."
    return f"## Speed\n\n{_table(('figure', 'value'), cells)}\n\n{workload}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )
