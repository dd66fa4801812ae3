"""The shortest useful program: rank a few documents, see scores and what they cost."""

from finerank import Reranker

DOCUMENTS = [
    "E70: the door of the switch cabinet is open. Close the door and acknowledge.",
    "E07: the signal of the hydraulic pressure sensor is out of range. Check plug X4 and the cable.",
    "Manual E07-B, page 12. Change the oil filter every 500 hours.",
]

with Reranker() as reranker:  # Reranker("Qwen/Qwen3-Reranker-0.6B") for more than English
    ranking = reranker.rank("What does alarm E07 mean?", DOCUMENTS)
    for document in ranking:
        print(f"{document.score:.4f}  {document.log_odds:+8.3f}  {document.text}")
    facts = ranking.facts
    print(f"{facts.model.name} ({facts.model.dtype}), {facts.usage.computed_tokens} tokens, {facts.seconds:.2f} s")
