"""What an answer must say beside its scores: documents that failed, fields that had no effect."""

from collections.abc import Iterable
from typing import Any, Final

from ..types import Ranking
from .json_response import header_text

ERRORS: Final = "X-Finerank-Errors"
WARNINGS: Final = "X-Finerank-Warnings"
_MOST_NAMED: Final = 20


def error_list(ranking: Ranking) -> list[dict[str, Any]]:
    """Documents without a score, in input order."""
    return [{"index": each.index, "message": each.error} for each in ranking if each.error is not None]


def unknown_fields(names: Iterable[str]) -> list[str]:
    """A note for fields that this server does not know."""
    listed = [name[:50] for name in names]
    if not listed:
        return []
    more = f" and {len(listed) - _MOST_NAMED} more" if len(listed) > _MOST_NAMED else ""
    return [f"unknown fields were ignored: {', '.join(listed[:_MOST_NAMED])}{more}"]


def notice_headers(ranking: Ranking, notes: Iterable[str]) -> dict[str, str]:
    """For clients that read only the fields they know."""
    headers = {}
    failed = [str(each.index) for each in ranking if each.error is not None]
    if failed:
        more = f" and {len(failed) - _MOST_NAMED} more" if len(failed) > _MOST_NAMED else ""
        headers[ERRORS] = f"no score for documents {', '.join(failed[:_MOST_NAMED])}{more}"
    warned = header_text("; ".join(notes))
    if warned:
        headers[WARNINGS] = warned
    return headers
