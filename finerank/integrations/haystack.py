"""Haystack: a ranker component that a pipeline can save, load, warm up and await."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..client import Client
from ..errors import InputError
from ..ranking import MinScore
from ..types import RankedDocument
from .frameworks import needed
from .scoring import Scorer, Source, flags_of, score_of

try:
    from haystack import Document, component, default_from_dict, default_to_dict
    from haystack.utils import Secret
except ModuleNotFoundError as error:
    raise needed(error, "haystack-ai") from None


@component
class FinerankRanker:
    """Reranks documents: `pipeline.add_component("ranker", FinerankRanker(top_k=5))`.

    model: a model's name, a `Reranker`, a `Client` or an `AsyncClient`; None = the embedded model.
    loading: options of `Reranker` for a named model, which `warm_up` loads.
    base_url, api_key: ask the finerank server there (for `model`) instead of loading one.
    top_k, instruction, min_score, batch_size: `top_n` and the other options of `Reranker.rank`.
    meta_fields: metadata that is read before the content, a line each.

    Documents are copied; the copies have their probability as `score`, `is_truncated` in `meta` if the model read only
    the beginning, and `rerank_error` (with a score of None) if they could not be scored: those come last.
    Raises InputError (a ValueError) for options that cannot be used. Objects given as `model` cannot be saved.
    Haystack 3 loads a saved one if told to trust it: `Pipeline.load(file, allowed_modules=["finerank.*"])`.
    """

    def __init__(
        self,
        model: Source = None,
        *,
        loading: dict[str, Any] | None = None,
        base_url: str | None = None,
        api_key: Secret | None = None,
        top_k: int | None = None,
        instruction: str | None = None,
        min_score: MinScore | None = None,
        batch_size: int = 0,
        meta_fields: list[str] | None = None,
    ) -> None:
        self._given = {name: value for name, value in locals().items() if name != "self"}
        asked: dict[str, Any] = {"instruction": instruction, "min_score": min_score, "batch_size": batch_size}
        opened_by = None if base_url is None else self._open
        self._scorer = Scorer(model, loading=loading, top_n=top_k, opened_by=opened_by, **asked)

    def warm_up(self) -> None:
        self._scorer.load()

    def close(self) -> None:
        self._scorer.close()

    def to_dict(self) -> dict[str, Any]:
        model = self._given["model"]
        if model is not None and not isinstance(model, str):
            raise InputError(f"a {type(model).__name__} cannot be saved; give the ranker a model's name or a base_url")
        return default_to_dict(self, **self._given)  # type: ignore[no-any-return]

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "FinerankRanker":
        return default_from_dict(cls, data)  # type: ignore[no-any-return]

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator]
    def run(self, query: str, documents: list[Document], top_k: int | None = None) -> dict[str, list[Document]]:
        return _answer(documents, self._scorer.rank(query, self._texts(documents), top_n=top_k))

    @component.output_types(documents=list[Document])  # type: ignore[untyped-decorator]
    async def run_async(
        self, query: str, documents: list[Document], top_k: int | None = None
    ) -> dict[str, list[Document]]:
        return _answer(documents, await self._scorer.arank(query, self._texts(documents), top_n=top_k))

    def _open(self) -> Client:
        key: Secret | None = self._given["api_key"]
        return Client(
            base_url=self._given["base_url"], model=self._given["model"], api_key=key.resolve_value() if key else None
        )

    def _texts(self, documents: Sequence[Document]) -> list[str | None]:
        return [_text(document, self._given["meta_fields"] or ()) for document in documents]


def _text(document: Document, meta_fields: Sequence[str]) -> str | None:
    """None for a document that has no text of its own."""
    if document.content is None:
        return None
    told = [str(document.meta[name]) for name in meta_fields if document.meta.get(name)]
    return "\n".join([*told, document.content])


def _answer(documents: Sequence[Document], ranked: Sequence[RankedDocument]) -> dict[str, list[Document]]:
    copies = []
    for each in ranked:
        document = documents[each.index]
        copies.append(replace(document, score=score_of(each), meta={**document.meta, **flags_of(each)}))
    return {"documents": copies}
