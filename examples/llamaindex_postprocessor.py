"""LlamaIndex: questions asked at the same time, their nodes reranked in shared batches. Needs llama-index-core."""

import asyncio

from llama_index.core import MockEmbedding, VectorStoreIndex
from llama_index.core.schema import TextNode

from finerank.integrations.llama_index import FinerankPostprocessor

QUESTIONS = ["What does alarm E07 mean?", "When must the oil filter be changed?"]
NODES = [
    TextNode(text="Alarm E07: the hydraulic pressure sensor sends no valid signal. Check its plug and cable."),
    TextNode(text="Alarm E12: the oil is too hot. Let the pump cool down."),
    TextNode(text="Change the oil filter every 2,000 hours of operation."),
    TextNode(text="Declaration of conformity of the pump unit."),
]


async def main() -> None:
    index = VectorStoreIndex(NODES, embed_model=MockEmbedding(embed_dim=8))  # your own embeddings here
    retriever = index.as_retriever(similarity_top_k=4)
    reranker = FinerankPostprocessor(top_n=1)  # model="Qwen/Qwen3-Reranker-0.6B" for more than English

    async def ask(question: str) -> str:
        (best,) = await reranker.apostprocess_nodes(await retriever.aretrieve(question), query_str=question)
        return f"{question}\n  {best.score:.4f}  {best.node.get_content()}"

    print("\n".join(await asyncio.gather(*map(ask, QUESTIONS))))


asyncio.run(main())
