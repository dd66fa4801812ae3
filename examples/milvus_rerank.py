"""Milvus: a search in a Milvus Lite file, reranked by a function. Needs pymilvus and milvus-lite."""

import tempfile
from pathlib import Path

from pymilvus import MilvusClient

from finerank import Embedder
from finerank.integrations.milvus import FinerankRerankFunction

QUESTION = "What does alarm E07 mean?"
PAGES = [
    "Alarm E07: the hydraulic pressure sensor sends no valid signal. Check its plug and cable.",
    "Alarm E12: the oil is too hot. Let the pump cool down.",
    "Change the oil filter every 2,000 hours of operation.",
    "Declaration of conformity of the pump unit.",
]

with tempfile.TemporaryDirectory() as folder, Embedder() as embedder:
    client = MilvusClient(str(Path(folder) / "manual.db"))
    client.create_collection("manual", dimension=embedder.info.dimensions, metric_type="COSINE")
    vectors = embedder.embed_documents(PAGES).tolist()
    rows = zip(PAGES, vectors, strict=True)
    client.insert(
        "manual", [{"id": page, "text": text, "vector": vector} for page, (text, vector) in enumerate(rows, 1)]
    )

    rerank = FinerankRerankFunction()  # FinerankRerankFunction("Qwen/Qwen3-Reranker-0.6B") for more than English
    query = embedder.embed_queries([QUESTION]).tolist()
    (hits,) = client.search("manual", query, limit=4, output_fields=["text"])
    for result in rerank(QUESTION, [hit["entity"]["text"] for hit in hits], top_k=2):
        print(f"{result.score:.4f}  page {hits[result.index]['id']}  {result.text}")
    client.close()
