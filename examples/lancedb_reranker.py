"""LanceDB: hybrid search over a table in a folder, reranked. Needs lancedb."""

import tempfile

import lancedb
from lancedb.index import FTS

from finerank import Embedder
from finerank.integrations.lancedb import FinerankReranker

QUESTION = "What does alarm E07 mean?"
PAGES = [
    "Alarm E07: the hydraulic pressure sensor sends no valid signal. Check its plug and cable.",
    "Alarm E12: the oil is too hot. Let the pump cool down.",
    "Change the oil filter every 2,000 hours of operation.",
    "Declaration of conformity of the pump unit.",
]

with tempfile.TemporaryDirectory() as folder, Embedder() as embedder:
    vectors = embedder.embed_documents(PAGES)
    rows = [
        {"page": page, "text": text, "vector": vector.tolist()}
        for page, (text, vector) in enumerate(zip(PAGES, vectors, strict=True), start=1)
    ]
    table = lancedb.connect(folder).create_table("manual", data=rows)
    table.create_index("text", config=FTS())

    reranker = FinerankReranker()  # FinerankReranker("Qwen/Qwen3-Reranker-0.6B") for more than English
    (vector,) = embedder.embed_queries([QUESTION])
    found = table.search(query_type="hybrid").vector(vector).text(QUESTION).rerank(reranker).limit(2)
    for row in found.to_list():
        print(f"{row['_relevance_score']:.4f}  page {row['page']}  {row['text']}")
