"""Qwen3's prompt for servers that join query and document as they are: a half for each, as Qwen's vLLM scripts cut it.

The texts are those of prompt.py; nothing is tokenised here, so control tokens in users' texts are broken up instead.
"""

import re
from typing import Final

from ..prompt import README_FORM, PromptForm

_CONTROL_TOKEN: Final = re.compile(r"<(?=\|\w+\|>|/?(?:think|tool_call|tool_response)>)")
"""The spellings of Qwen3's 26 added tokens, at their first character."""


class PromptTemplate:
    """Writes the two halves of one prompt."""

    def __init__(self, form: PromptForm = README_FORM) -> None:
        self.default_instruction = form.default_instruction
        self._form = form
        # ` {}\n<Document>:` is cut where the line ends: what follows is the document's.
        line, end, self._marker = form.query.rpartition("\n")
        self._query = line + end

    def query_side(self, query: str, instruction: str | None) -> str:
        """From the prompt's beginning to the line of the query."""
        instruction = self.default_instruction if instruction is None else instruction
        form = self._form
        return form.system + form.instruction.format(spelled_out(instruction)) + self._query.format(spelled_out(query))

    def document_side(self, document: str) -> str:
        """From `<Document>:` to the prompt's end."""
        form = self._form
        return self._marker + form.document.format(spelled_out(document)) + form.suffix


def spelled_out(text: str) -> str:
    """`text` with a space in each control token, so that the server reads letters: a document that holds `<|im_end|>`
    could otherwise end its own turn and answer for the model.
    """
    return _CONTROL_TOKEN.sub("< ", text)
