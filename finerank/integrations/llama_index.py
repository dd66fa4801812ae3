"""LlamaIndex: a node postprocessor; awaited calls share the model's batches."""

from collections.abc import Sequence
from typing import Any

from ..errors import InputError
from ..ranking import MinScore
from ..types import RankedDocument
from .frameworks import needed
from .scoring import Scorer, flags_of, score_of

try:
    from llama_index.core.bridge.pydantic import Field, PrivateAttr, field_serializer
    from llama_index.core.callbacks import CBEventType, EventPayload
    from llama_index.core.callbacks.base import EventContext
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import BaseNode, MetadataMode, NodeWithScore, QueryBundle
except ModuleNotFoundError as error:
    raise needed(error, "llama-index-core") from None


class FinerankPostprocessor(BaseNodePostprocessor):
    """Reranks what a retriever found: `index.as_query_engine(node_postprocessors=[FinerankPostprocessor(top_n=3)])`.

    Options as in the LangChain adapter. The text is the node's, with the metadata that it shows to embeddings.
    New NodeWithScore objects with the probability as `score`; a node that was read only in part, or not at all, is a
    copy with `is_truncated` or `rerank_error` in metadata that neither embeddings nor language models see.
    Raises ValueError without a query. A model that is named is saved with `to_dict` and loaded again; an object is not.
    """

    model: Any = Field(default=None, description="Name of a model, a Reranker or a client; None = the embedded one.")
    loading: dict[str, Any] = Field(default_factory=dict, description="Options of Reranker for a model that is named.")
    instruction: str | None = Field(default=None, description='What "relevant" means.')
    top_n: int | None = Field(default=None, description="Keep so many; None = all.")
    min_score: MinScore | None = Field(default=None, description="Keep those of at least this probability.")
    batch_size: int = Field(default=0, description="Most documents in a batch; 0 = by token budget.")
    _scorer: Scorer = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        options = {name: getattr(self, name) for name in ("instruction", "top_n", "min_score", "batch_size", "loading")}
        self._scorer = Scorer(self.model, **options)
        self._scorer.load()

    @classmethod
    def class_name(cls) -> str:
        return "FinerankPostprocessor"

    @field_serializer("model")
    def _save_model(self, model: Any) -> str | None:
        if model is None or isinstance(model, str):
            return model
        raise InputError(f"a {type(model).__name__} cannot be saved; give FinerankPostprocessor a model's name instead")

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _query(query_bundle)
        with self._event(nodes, query) as event:
            return _finish(event, nodes, self._scorer.rank(query, _texts(nodes)))

    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        query = _query(query_bundle)
        with self._event(nodes, query) as event:
            return _finish(event, nodes, await self._scorer.arank(query, _texts(nodes)))

    def _event(self, nodes: list[NodeWithScore], query: str) -> Any:
        payload: dict[str, Any] = {
            EventPayload.NODES: nodes,
            EventPayload.MODEL_NAME: self._scorer.name,
            EventPayload.QUERY_STR: query,
            EventPayload.TOP_K: len(nodes) if self.top_n is None else self.top_n,
        }
        return self.callback_manager.event(CBEventType.RERANKING, payload=payload)


def _query(query_bundle: QueryBundle | None) -> str:
    if query_bundle is None:
        raise ValueError("reranking needs a query: give query_bundle or query_str")
    return query_bundle.query_str


def _texts(nodes: Sequence[NodeWithScore]) -> list[str]:
    return [each.node.get_content(metadata_mode=MetadataMode.EMBED) for each in nodes]


def _finish(
    event: EventContext, nodes: Sequence[NodeWithScore], ranked: Sequence[RankedDocument]
) -> list[NodeWithScore]:
    scored = [
        NodeWithScore(node=_node(nodes[each.index].node, flags_of(each)), score=score_of(each)) for each in ranked
    ]
    event.on_end(payload={EventPayload.NODES: scored})
    return scored


def _node(node: BaseNode, flags: dict[str, Any]) -> BaseNode:
    """The node itself where there is nothing to say of it."""
    if not flags:
        return node
    hidden = {
        name: [*getattr(node, name), *flags] for name in ("excluded_embed_metadata_keys", "excluded_llm_metadata_keys")
    }
    return node.model_copy(update={"metadata": {**node.metadata, **flags}, **hidden})
