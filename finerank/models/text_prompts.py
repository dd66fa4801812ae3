"""What is put before a text that is embedded: nothing before a document, mostly, and an instruction before a query."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, Self, TypeAlias

from ..errors import InputError
from ..instructions import DEFAULT_INSTRUCTION

TextKind: TypeAlias = Literal["query", "document", "plain"]
"""plain: the text as it is, for callers that write a prompt themselves."""

KINDS: Final[tuple[TextKind, ...]] = ("query", "document", "plain")

QWEN3_QUERY: Final = f"Instruct: {DEFAULT_INSTRUCTION}\nQuery:"
"""Of the Qwen3-Embedding model cards and their config_sentence_transformers.json: no space after `Query:`."""

_INSTRUCTED: Final = re.compile(
    r"(?P<before>(?:.*\n)?Instruct: ?)(?P<instruction>.*)(?P<after>\n *Query: ?)", re.DOTALL
)
"""The form that Qwen3-Embedding, GTE-Qwen2, E5-instruct and others share."""


@dataclass(frozen=True)
class TextPrompts:
    """query, document: what stands before a text of that kind; "" for nothing."""

    query: str = ""
    document: str = ""
    _found: re.Match[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_found", _INSTRUCTED.fullmatch(self.query))

    @classmethod
    def of_names(cls, prompts: Mapping[str, Any], otherwise: str = "") -> Self:
        """Those that sentence-transformers' `encode_query` and `encode_document` use.

        It looks for "passage" and "corpus" too, but has an empty "document" before it comes to them (6.2).
        otherwise: before queries where none is named.
        """
        named = {name: prompt for name, prompt in prompts.items() if isinstance(prompt, str)}
        return cls(named.get("query", otherwise), named.get("document", ""))

    @cached_property
    def default_instruction(self) -> str | None:
        """What a query's prompt says without another one; None if it has no place for an instruction."""
        return self._found["instruction"] if self._found is not None else None

    def before(self, kind: TextKind, instruction: str | None = None) -> str:
        """What stands before a text. An instruction belongs to queries; without a place for it, it changes nothing.

        Raises InputError for an unknown kind.
        """
        if kind not in KINDS:
            raise InputError(f"kind is {kind!r}; give one of {', '.join(KINDS)}")
        if kind != "query":
            return self.document if kind == "document" else ""
        if instruction is None or self._found is None:
            return self.query
        return self._found["before"] + instruction + self._found["after"]
