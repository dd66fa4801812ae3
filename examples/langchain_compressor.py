"""LangChain: a retriever whose finds are reranked. Needs langchain-classic."""

from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore

from finerank.integrations.langchain import FinerankCompressor

QUESTION = "What does alarm E07 mean?"
PAGES = [
    "Alarm E07: the hydraulic pressure sensor sends no valid signal. Check its plug and cable.",
    "Alarm E12: the oil is too hot. Let the pump cool down.",
    "Change the oil filter every 2,000 hours of operation.",
    "Declaration of conformity of the pump unit.",
]

store = InMemoryVectorStore(DeterministicFakeEmbedding(size=32))  # your own store and embeddings here
store.add_documents([Document(text, metadata={"page": page}) for page, text in enumerate(PAGES, start=1)])

compressor = FinerankCompressor(top_n=2)  # model="Qwen/Qwen3-Reranker-0.6B" for more than English
retriever = ContextualCompressionRetriever(base_compressor=compressor, base_retriever=store.as_retriever())
for document in retriever.invoke(QUESTION):
    print(f"{document.metadata['relevance_score']:.4f}  page {document.metadata['page']}  {document.page_content}")
