"""A ranking as the text of a file, which the browser saves."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any, Final

from ..records import facts_record, result_record
from ..types import Ranking

_COLUMNS: Final = ("place", "index", "score", "log_odds", "document", "num_tokens", "is_truncated", "error")


def ranking_json(query: str, ranking: Ranking, originals: Sequence[Any], notes: Sequence[str]) -> str:
    """The object that `finerank rerank --json` prints, with the query."""
    answer = (
        {"query": query}
        | facts_record(ranking.facts)
        | {"warnings": list(notes), "results": [result_record(each, originals[each.index]) for each in ranking]}
    )
    return json.dumps(answer, ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def ranking_csv(ranking: Ranking) -> str:
    """One row for each document, best first."""
    written = io.StringIO()
    rows = csv.DictWriter(written, _COLUMNS, lineterminator="\r\n", extrasaction="ignore")
    rows.writeheader()
    rows.writerows(result_record(each, each.text) | {"place": place} for place, each in enumerate(ranking, 1))
    return written.getvalue()
