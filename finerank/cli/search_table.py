"""Results of a search for people."""

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from ..retrieval.explain import fallen_of, moves_of
from ..retrieval.snippets import snippet
from ..retrieval.types import Hit, SearchFacts, SearchResult
from .console import on_one_line, show

_SNIPPET = 300
_COLUMNS = {"rank": 4, "was": 6, "score": 6, "log-odds": 8, "dense": 11, "BM25": 12, "code": 4, "fused": 6}
"""Column -> cells it needs."""


def print_hits(result: SearchResult) -> None:
    """One block a hit: rank, score and place on a line, the passage below."""
    for rank, hit in enumerate(result.hits, start=1):
        show(_headline(rank, hit), _passage(hit, result.query))


def print_moves(result: SearchResult) -> None:
    """Every stage's opinion, and who fell out."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name, width in _COLUMNS.items():
        table.add_column(name, justify="right", no_wrap=True, min_width=width)
    table.add_column("place", no_wrap=True, min_width=8)  # the only one that gives way
    for move in moves_of(result):
        hit = move.hit
        table.add_row(
            str(move.after) if move.after else "-",
            _moved(move.before, move.after),
            _number(hit.score, 4),
            _number(hit.log_odds, 2),
            _ranked(hit.dense, hit.dense_rank),
            _ranked(hit.bm25, hit.bm25_rank),
            str(hit.code_rank or "-"),
            _number(hit.fused, 4),
            on_one_line(hit.chunk.place) + (f" ({move.fate.replace('_', ' ')})" if move.fate else ""),
        )
    show(table)
    fallen = len(fallen_of(result))
    if fallen:
        show(f"{fallen} that the recall had among the first {len(result.hits)} are not among the results")


def facts_line(facts: SearchFacts) -> str:
    """Who answered, from how many, in which time."""
    counts = [f"{facts.num_recalled} found ({facts.num_dense} by meaning, {facts.num_bm25} by words)"]
    counts += [f"{number} dropped as {name}" for name, number in facts.dropped.items() if number]
    if facts.num_duplicates:
        counts.append(f"{facts.num_duplicates} near-duplicates")
    if facts.reranker is not None:
        counts.append(f"{facts.num_reranked} reranked by {facts.reranker.name}")
    times = ", ".join(f"{stage} {seconds * 1000:.0f} ms" for stage, seconds in facts.seconds.items())
    return " | ".join([*counts, times])


def _headline(rank: int, hit: Hit) -> Text:
    score = _number(hit.score, 4) if hit.error is None else "error"
    title = "" if hit.chunk.title in ("", hit.chunk.source) else f"  {on_one_line(hit.chunk.title)[:80]}"
    more = f"  (+{hit.num_more} of this document)" if hit.num_more else ""
    return Text.assemble(
        f"{rank:>2}  ", (score, "cyan"), "  ", (on_one_line(hit.chunk.place), "bold"), (title, "dim"), (more, "dim")
    )


def _passage(hit: Hit, query: str) -> Text:
    if hit.error is not None:
        return Text(f"    {on_one_line(hit.error)}", "red")
    cut = snippet(hit.chunk.text, query, _SNIPPET)
    text = Text(f"    {cut.text}")
    for start, end in cut.spans:
        text.stylize("bold", 4 + start, 4 + end)
    return text


def _moved(before: int, after: int | None) -> str:
    if after is None or before == after:
        return str(before)
    return f"{before} {'+' if before > after else '-'}{abs(before - after)}"


def _ranked(score: float | None, rank: int | None) -> str:
    return "-" if score is None else f"{score:.3f} ({rank})"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
