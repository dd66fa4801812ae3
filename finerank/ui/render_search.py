"""Passages before and after reranking beside each other, and how far opened files are indexed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ..retrieval.explain import Move, moves_of
from ..retrieval.notes import Note
from ..retrieval.snippets import Snippet, snippet
from ..retrieval.types import Hit, SearchFacts, SearchResult
from .render import Html, both, clipped, element, error_html, joined, line_html, notes_html, score_html, status_html
from .render_ranking import place_of, text_html
from .texts import Language, say
from .texts_zh import NOTES_ZH
from .upload_index import UploadIndex

_SNIPPET: Final = 320
_SHORT_SNIPPET: Final = 120
_BEFORE: Final = 20
"""Rows of the recall that are shown, at least as many as there are results."""
_LONGEST_TITLE: Final = 90
_MOST_NOTES: Final = 8
_RECALL: Final = ("embed", "dense", "bm25")
"""Stages that find passages."""


def found_html(language: Language, result: SearchResult) -> Html:
    """A line of facts, then the recall's order on the left and the results on the right."""
    notes = notes_html(_warning(language, each) for each in result.facts.warnings)
    if not result.hits:
        empty = element("p", say(language, "search.nothing"), class_="fr-summary")
        return element("section", empty, _facts(language, result.facts), notes, class_="fr-answer")
    moves = moves_of(result)
    places = {move.hit.chunk.id: place for place, move in enumerate(moves)}
    after = (_result(language, result, move, places) for move in moves if move.after is not None)
    is_reranked = result.facts.reranker is not None
    columns = [
        element(
            "div",
            _after_heading(language, result.facts),
            element("ol", *after, class_="fr-list"),
            class_="fr-after",
        ),
        # Without reranking both columns would say the same.
        _before(language, result, moves, places) if is_reranked else None,
    ]
    return element(
        "section",
        element("p", _summary(language, result, moves), class_="fr-summary"),
        _facts(language, result.facts),
        notes,
        element("div", *columns, class_="fr-beside" if is_reranked else None),
        class_="fr-answer fr-found",
    )


def opening_html(opened: UploadIndex) -> Html:
    """What is being read, and for how long."""
    return status_html(
        both(
            "search.opening",
            number=min(opened.num_done + 1, opened.num_files),
            count=opened.num_files,
            name=clipped(opened.current, 60),
            seconds=f"{opened.seconds:.0f}",
        )
    )


def sent_to_html(names: Sequence[str]) -> Html:
    """Who reads files that are opened here, beside this server."""
    return line_html(both("search.sent_to", names=", ".join(names))) if names else joined()


def opened_html(language: Language, opened: UploadIndex, sent_to: Sequence[str]) -> Html:
    """What can be searched, and what could not be read.   sent_to: models of other services."""
    key = "search.opened_part" if opened.unreadable else "search.opened_sent" if sent_to else "search.opened"
    line = line_html(
        both(
            key,
            count=f"{opened.num_files - len(opened.unreadable):,}",
            all=f"{opened.num_files:,}",
            passages=f"{opened.num_chunks:,}",
            names=", ".join(sent_to),
        )
    )
    notes = [why for _, why in opened.unreadable] + opened.notes
    more = [say(language, "search.more_notes", count=len(notes) - _MOST_NOTES)] if len(notes) > _MOST_NOTES else []
    return joined(line, notes_html([*notes[:_MOST_NOTES], *more]))


def marked_html(cut: Snippet) -> Html:
    """A snippet with the query's words marked."""
    parts: list[str] = []
    end = 0
    for start, stop in cut.spans:
        parts += [cut.text[end:start], element("mark", cut.text[start:stop], class_="fr-hit")]
        end = stop
    return element("p", *parts, cut.text[end:], class_="fr-text fr-snippet")


def _warning(language: Language, warning: str) -> str:
    """What has no code was said by a model or another part of the library, in English."""
    if language == "zh" and isinstance(warning, Note) and warning.code in NOTES_ZH:
        return NOTES_ZH[warning.code].format(**warning.values)
    return warning


def _summary(language: Language, result: SearchResult, moves: Sequence[Move]) -> str:
    if result.facts.reranker is None:
        return say(language, "search.not_reranked", count=f"{len(result.hits):,}")
    stayed = [move for move in moves if move.after is not None]
    if not any(move.gain for move in stayed):
        return say(language, "search.still", count=f"{len(stayed):,}")
    up = sum((move.gain or 0) > 0 for move in stayed)
    best = stayed[0]
    key = "search.same_top" if best.before == 1 else "search.new_top"
    top = say(language, key, place=best.before)
    return f"{say(language, 'search.summary', count=f'{len(stayed):,}', up=f'{up:,}')}{top}"


def _facts(language: Language, facts: SearchFacts) -> Html:
    recall = f"{sum(facts.seconds.get(stage, 0.0) for stage in _RECALL):.2f}"
    rerank = f"{facts.seconds.get('rerank', 0.0):.2f}"
    parts = [
        say(
            language,
            "search.recalled",
            count=f"{facts.num_recalled:,}",
            dense=f"{facts.num_dense:,}",
            bm25=f"{facts.num_bm25:,}",
            seconds=recall,
        )
    ]
    parts += [
        say(language, "search.dropped", count=f"{count:,}", rule=_rule_name(language, name))
        for name, count in facts.dropped.items()
        if count
    ]
    if facts.num_duplicates:
        parts.append(say(language, "search.collapsed", count=f"{facts.num_duplicates:,}"))
    if facts.reranker is not None:
        parts.append(say(language, "search.reranked", count=f"{facts.num_reranked:,}", seconds=rerank))
    return element("p", say(language, "search.joint").join(parts), say(language, "rerank.stop"), class_="fr-facts")


def _rule_name(language: Language, name: str) -> str:
    return say(language, f"search.rules.{name}")


def _heading(language: Language, key: str, name: str | None) -> Html:
    quiet = element("span", name, class_="fr-quiet") if name else None
    return element("p", element("strong", say(language, key)), " ", quiet, class_="fr-column-head")


def _after_heading(language: Language, facts: SearchFacts) -> Html:
    if facts.reranker is None:
        return _heading(language, "search.results", None)
    return _heading(language, "search.after", facts.reranker.name)


def _result(language: Language, result: SearchResult, move: Move, places: Mapping[str, int]) -> Html:
    hit, chunk = move.hit, move.hit.chunk
    badge = None if result.facts.reranker is None else _badge(language, move)
    flags = (element("span", flag, class_="fr-flag") for flag in _flags(language, hit))
    body = element(
        "div",
        _score(language, hit),
        element("p", _place_html(language, hit), *flags, badge, class_="fr-where"),
        _titles(hit),
        marked_html(snippet(chunk.text, result.query, _SNIPPET)),
        element("p", *_stages(language, hit), class_="fr-stages"),
        _whole(language, hit),
        class_="fr-body",
    )
    place = element("span", str(move.after), class_="fr-place")
    return element("li", place, body, class_="fr-document", data_doc=places[chunk.id])


def _score(language: Language, hit: Hit) -> Html | None:
    if hit.error is not None:
        return error_html(say(language, "rerank.no_score", error=hit.error))
    if hit.score is None or hit.log_odds is None:
        return None
    return score_html(language, hit.score, hit.log_odds)


def _place_html(language: Language, hit: Hit) -> Html:
    chunk = hit.chunk
    return element("strong", place_of(language, chunk.source, chunk.page, chunk.last_page))


def _titles(hit: Hit) -> Html | None:
    """Title and headings, without the file's name once more."""
    chunk = hit.chunk
    names = dict.fromkeys(each for each in (chunk.title, *chunk.headings) if each and each not in chunk.source)
    return (
        element(
            "p",
            clipped(" \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} ".join(names), _LONGEST_TITLE),
            class_="fr-quiet",
        )
        if names
        else None
    )


def _flags(language: Language, hit: Hit) -> Iterable[str]:
    if hit.is_truncated:
        yield say(language, "search.truncated")
    if hit.duplicates:
        yield say(language, "search.hidden", count=len(hit.duplicates))


def _stages(language: Language, hit: Hit) -> Iterable[Html]:
    """What each stage thought of it."""
    yield element("span", say(language, "search.stage.recall", rank=hit.recall_rank))
    for key, score, rank, digits in (("dense", hit.dense, hit.dense_rank, 3), ("bm25", hit.bm25, hit.bm25_rank, 2)):
        value = "–" if score is None else f"{score:.{digits}f} (#{rank})"  # noqa: RUF001
        yield element("span", say(language, f"search.stage.{key}", value=value))


def _whole(language: Language, hit: Hit) -> Html | None:
    text = hit.chunk.text
    if len(text) <= _SNIPPET:
        return None
    summary = element("summary", say(language, "search.whole", count=f"{len(text):,}"))
    return element("details", summary, text_html(language, text), class_="fr-more")


def _before(language: Language, result: SearchResult, moves: Sequence[Move], places: Mapping[str, int]) -> Html:
    """The recall's order, in short."""
    by_id = {move.hit.chunk.id: move for move in moves}
    count = max(_BEFORE, len(result.hits))
    rows = [_row(language, hit, by_id.get(hit.chunk.id), places, result.query) for hit in result.recalled[:count]]
    more = len(result.recalled) - len(rows)
    rest = element("p", say(language, "search.more", count=f"{more:,}"), class_="fr-quiet") if more > 0 else None
    return element(
        "div",
        _heading(language, "search.before", None),
        element("ol", *rows, class_="fr-list fr-short"),
        rest,
        class_="fr-before",
    )


def _row(language: Language, hit: Hit, move: Move | None, places: Mapping[str, int], query: str) -> Html:
    went = None if move is None or move.after is None else move.after
    chunk = hit.chunk
    label = say(language, "search.out") if went is None else say(language, "search.became", place=went)
    head = element(
        "span",
        element("b", str(hit.recall_rank)),
        element("span", place_of(language, chunk.source, chunk.page, chunk.last_page), class_="fr-number"),
        element(
            "span",
            "–" if went is None else f"→ {went}",  # noqa: RUF001
            class_=f"fr-badge {'fr-still' if went is None else _direction(hit.recall_rank - went)}",
            title=label,
            aria_label=label,
            role="img",
        ),
        class_="fr-row-head",
    )
    text = element("span", snippet(chunk.text, query, _SHORT_SNIPPET).text, class_="fr-row-text")
    return element("li", head, text, class_="fr-recalled", data_doc=places.get(chunk.id))


def _badge(language: Language, move: Move) -> Html:
    """How many places it won or lost."""
    gain = move.gain or 0
    places = abs(gain)
    key = "compare.up" if gain > 0 else "compare.down" if gain < 0 else "compare.not_moved"
    sign = "\N{BLACK UP-POINTING TRIANGLE}" if gain > 0 else "\N{BLACK DOWN-POINTING TRIANGLE}"
    label = say(language, key, places=places)
    shown = f"{sign}{places}" if places else "="
    return element("span", shown, class_=f"fr-badge {_direction(gain)}", title=label, aria_label=label, role="img")


def _direction(gain: int) -> str:
    return "fr-up" if gain > 0 else "fr-down" if gain < 0 else "fr-still"
