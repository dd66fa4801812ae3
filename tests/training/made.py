"""Examples written for these tests."""

from finerank.training.examples import Candidate, Example

PLAIN = {"query": "what is rust?", "positives": ["Iron that met water."], "negatives": ["A loaf of bread."]}
MESSAGES = {
    "messages": [{"role": "user", "content": "what is rust?"}],
    "positive_messages": [[{"role": "assistant", "content": "Iron that met water."}]],
    "negative_messages": [[{"role": "assistant", "content": "A loaf of bread."}]],
}


def example(
    query: str,
    positives: tuple[str, ...] = ("yes",),
    negatives: tuple[str, ...] = ("no",),
    *,
    instruction: str | None = None,
    place: str = "",
    scores: tuple[float | None, ...] | None = None,
) -> Example:
    """scores: of the positives, then of the negatives."""
    texts = [*((text, 1.0) for text in positives), *((text, 0.0) for text in negatives)]
    teachers = scores or (None,) * len(texts)
    candidates = tuple(Candidate(text, label, teacher) for (text, label), teacher in zip(texts, teachers, strict=True))
    return Example(query, candidates, instruction, place or f"place of {query}")
