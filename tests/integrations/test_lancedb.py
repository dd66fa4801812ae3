"""A LanceDB table in a folder, searched by vector, by words and by both, with our reranker."""

from pathlib import Path
from typing import Any

import lancedb
import pyarrow as pa
import pytest
from lancedb.index import FTS

from finerank import FinerankWarning, InputError, Reranker
from finerank.integrations.lancedb import FinerankReranker
from tests.cli.fake_model import FakeLoader

from .conftest import LONG, QUERY, TEXTS, best_first

VECTOR = [0.0, 1.0]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Any:
    rows = [{"text": text, "vector": [float(page), 1.0], "page": page} for page, text in enumerate(TEXTS)]
    table = lancedb.connect(tmp_path_factory.mktemp("lance")).create_table("pages", data=rows)
    table.create_index("text", config=FTS())
    return table


def hybrid(table: Any, query: str, reranker: FinerankReranker) -> Any:
    return table.search(query_type="hybrid").vector(VECTOR).text(query).rerank(reranker).limit(len(TEXTS))


@pytest.mark.parametrize("kept", ["relevance", "all"])
def test_hybrid_search(table: Any, reranker: Reranker, kept: str) -> None:
    rows = hybrid(table, QUERY, FinerankReranker(reranker, return_score=kept)).to_arrow()
    assert rows["page"].to_pylist() == best_first(reranker)
    assert rows.schema.field("_relevance_score").type == pa.float32()
    expected = [each.score for each in reranker.rank(QUERY, TEXTS)]
    assert rows["_relevance_score"].to_pylist() == pytest.approx(expected, abs=1e-6)
    assert rows.schema.field("vector").type == table.schema.field("vector").type
    others = {"_distance", "_score", "_is_truncated"} & set(rows.column_names)
    assert others == (set() if kept == "relevance" else {"_distance", "_score", "_is_truncated"})


def test_all_scores_are_those_of_the_searches(table: Any, reranker: Reranker) -> None:
    rows = hybrid(table, QUERY, FinerankReranker(reranker, return_score="all")).to_list()
    by_vector = {row["page"]: row["_distance"] for row in table.search(VECTOR).to_list()}
    by_words = {row["page"]: row["_score"] for row in table.search(QUERY, query_type="fts").to_list()}
    assert {row["page"]: row["_distance"] for row in rows} == by_vector
    assert {row["page"]: row["_score"] for row in rows if row["_score"] is not None} == by_words
    assert 0 < len(by_words) < len(TEXTS)


def test_vector_and_word_search(table: Any, reranker: Reranker) -> None:
    ours = FinerankReranker(reranker)
    rows = table.search(VECTOR).rerank(ours, query_string=QUERY).to_arrow()
    assert rows["page"].to_pylist() == best_first(reranker)
    assert "_distance" not in rows.column_names
    rows = table.search(QUERY, query_type="fts").rerank(ours).to_arrow()
    assert rows["page"].to_pylist() == [1, 4, 2]
    assert "_score" not in rows.column_names


def test_searches_that_find_nothing(table: Any, reranker: Reranker) -> None:
    for kept in ("relevance", "all"):
        ours = FinerankReranker(reranker, return_score=kept)
        rows = table.search("nowhere", query_type="fts").rerank(ours).to_arrow()
        assert (len(rows), rows.schema.field("_relevance_score").type) == (0, pa.float32())
        assert len(table.search(VECTOR).where("page > 99").rerank(ours, query_string=QUERY).to_arrow()) == 0
        assert len(hybrid(table, "nowhere", ours).where("page > 99").to_arrow()) == 0
        rows = hybrid(table, "nowhere", ours).to_arrow()  # by vector only
        assert sorted(rows["page"].to_pylist()) == list(range(len(TEXTS)))


def test_several_vector_searches(table: Any, reranker: Reranker) -> None:
    searches = [table.search(vector).with_row_id(True).limit(3) for vector in (VECTOR, [4.0, 1.0])]
    rows = FinerankReranker(reranker).rerank_multivector(searches, QUERY, deduplicate=True)
    assert sorted(rows["page"].to_pylist()) == list(range(len(TEXTS)))


def test_rows_without_a_score_are_last_and_null(reranker: Reranker) -> None:
    rows = pa.table({"body": ["broken", None, LONG, "red planet mars"], "_distance": [1.0, 2.0, 3.0, 4.0]})
    ours = FinerankReranker(reranker, column="body", return_score="all", top_n=2)
    with pytest.warns(FinerankWarning, match="2 documents have no score"):
        ranked = ours.rerank_vector(QUERY, rows)
    assert ranked["body"].to_pylist() == ["red planet mars", LONG, "broken", None]
    assert ranked["_relevance_score"].to_pylist()[2:] == [None, None]
    assert ranked["_is_truncated"].to_pylist() == [False, True, False, False]


def test_options(reranker: Reranker, table: Any) -> None:
    assert len(hybrid(table, QUERY, FinerankReranker(reranker, min_score=0.6)).to_arrow()) == 2
    with pytest.raises(ValueError, match="relevance"):
        FinerankReranker(reranker, return_score="some")
    with pytest.raises(InputError, match="no column 'body' but text, vector, page"):
        table.search(VECTOR).rerank(FinerankReranker(reranker, column="body"), query_string=QUERY).to_arrow()


def test_a_name_is_loaded_at_once_with_its_options(loader: FakeLoader) -> None:
    FinerankReranker("some/model", loading={"device": "cpu"})
    assert (loader.name, loader.options) == ("some/model", {"device": "cpu"})


def test_on_disk(tmp_path: Path, reranker: Reranker) -> None:
    """A table that another process made."""
    rows = [{"text": text, "vector": [float(page), 1.0], "page": page} for page, text in enumerate(TEXTS)]
    lancedb.connect(tmp_path).create_table("pages", data=rows).create_index("text", config=FTS())
    again = lancedb.connect(tmp_path).open_table("pages")
    assert hybrid(again, QUERY, FinerankReranker(reranker)).to_arrow()["page"].to_pylist() == best_first(reranker)
