"""The shortest useful program: rank a few documents, see scores and what they cost."""

from finerank import Reranker

QUERY = "How do I read a large CSV file in Python without running out of memory?"
DOCUMENTS = [
    "A CSV file separates values with commas.",
    "Read a large CSV file in chunks: pandas.read_csv(path, chunksize=100_000) keeps memory use low.",
    "Python was first released in 1991 by Guido van Rossum.",
]

with Reranker() as reranker:  # Reranker("Qwen/Qwen3-Reranker-0.6B") for more than English
    ranking = reranker.rank(QUERY, DOCUMENTS)
    for document in ranking:
        print(f"{document.score:.4f}  {document.log_odds:+8.3f}  {document.text}")
    facts = ranking.facts
    print(f"{facts.model.name} ({facts.model.dtype}), {facts.usage.computed_tokens} tokens, {facts.seconds:.2f} s")
