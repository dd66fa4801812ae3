"""Named instructions: what "relevant" means, said to the model in a sentence.

An instruction that fits the task is worth 1 to 5 points by Qwen's model card; a wrong one costs. The model was
trained on English instructions, so write them in English also where queries and documents are not.
"""

from types import MappingProxyType
from typing import Final

from .errors import InputError

DEFAULT_INSTRUCTION: Final = "Given a web search query, retrieve relevant passages that answer the query"
"""The default of the Qwen3-Reranker model card."""

PRESETS: Final = MappingProxyType(
    {
        "web": DEFAULT_INSTRUCTION,
        "code": "Given a question about programming, retrieve code or explanations that solve it",
        "faq": "Given a user's question, retrieve the FAQ entry that answers it",
        "legal": "Given a legal question or clause, retrieve only the statutory provision that directly governs it",
        "academic": "Given a research question or claim, retrieve scientific abstracts that support or refute it",
        "semantic": "Retrieve semantically similar text.",
        "support": "Given a technician's question or an alarm code, retrieve the manual passage that explains it",
        "product": "Given a shopper's requirements, retrieve the products that meet all of them",
        "news": "Given a topic or an event, retrieve news articles that report on it",
        "medical": "Given a medical question, retrieve passages that answer it correctly",
    }
)
"""Instructions by name. `semantic` is the second instruction that DashScope documents for qwen3-rerank."""


def instruction_of_preset(name: str) -> str:
    """The instruction of the preset `name`. Raises InputError for an unknown name."""
    try:
        return PRESETS[name]
    except KeyError:
        raise InputError(f"unknown preset {name!r}; known presets: {', '.join(sorted(PRESETS))}") from None


def resolve_instruction(instruction: str | None, preset: str | None) -> str | None:
    """One instruction out of the two ways to give it. Raises InputError if both are given."""
    if preset is None:
        return instruction
    if instruction is not None:
        raise InputError("instruction and preset were both given; give one of them")
    return instruction_of_preset(preset)
