"""Haystack: BM25, then the reranker; the pipeline is saved and loaded again. Needs haystack-ai."""

from haystack import Document, Pipeline
from haystack.components.retrievers import InMemoryBM25Retriever
from haystack.document_stores.in_memory import InMemoryDocumentStore

from finerank.integrations.haystack import FinerankRanker

QUESTION = "What does alarm E07 mean?"
PAGES = [
    "Alarm E07: the hydraulic pressure sensor sends no valid signal. Check its plug and cable.",
    "Alarm E12: the oil is too hot. Let the pump cool down.",
    "Change the oil filter every 2,000 hours of operation.",
]

store = InMemoryDocumentStore()
store.write_documents([Document(content=text, meta={"page": page}) for page, text in enumerate(PAGES, start=1)])
pipeline = Pipeline()
pipeline.add_component("retriever", InMemoryBM25Retriever(store))
pipeline.add_component("ranker", FinerankRanker(top_k=2))  # "Qwen/Qwen3-Reranker-0.6B" for more than English
pipeline.connect("retriever.documents", "ranker.documents")

answer = pipeline.run({"retriever": {"query": QUESTION}, "ranker": {"query": QUESTION}})
for document in answer["ranker"]["documents"]:
    print(f"{document.score:.4f}  page {document.meta['page']}  {document.content}")

# Haystack 3 loads components of modules that it is told to trust.
ranker = Pipeline()
ranker.add_component("ranker", FinerankRanker(top_k=2))
assert Pipeline.loads(ranker.dumps(), allowed_modules=["finerank.*"]).to_dict() == ranker.to_dict()
