"""From texts to token ids. The only module that knows a template; it knows no tensor.

A yes/no reranker is described by a `PromptForm`: the fixed texts around the three variable ones, and the two
tokens whose odds are the score. `PromptEncoder` joins a form with a tokenizer and hands out

    PromptPrefix   everything up to `<Document>:`, in parts that other prompts may share
    DocumentTail   ` {document}` and the suffix: what differs from document to document

Why parts may be cut where they are: the pre-tokenizer of Qwen ends a piece between `>:` and the space after it, so
encoding `...<Query>:` and ` {query}` apart gives the ids of encoding them together (the same holds after
`<Document>:`, not after the instruction's text, where `.\\n` is one piece). Control tokens are pieces of their own.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from .errors import DamagedError, TooLongError
from .instructions import DEFAULT_INSTRUCTION
from .texts import Window, check_text, windows_of

if TYPE_CHECKING:  # the forms are used without the package too, by finerank.client
    from tokenizers import Tokenizer

TokenIds = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PromptForm:
    """A yes/no prompt as data: block by block, in order, and what the answer is read from.

    system, suffix: fixed text with control tokens in it.
    instruction, query, document: templates of one variable each; no control tokens. Their seams must be piece
    boundaries of the tokenizer's pre-tokenizer.
    """

    name: str
    system: str
    instruction: str
    query: str
    document: str
    suffix: str
    default_instruction: str
    yes: str = "yes"
    no: str = "no"


_SYSTEM: Final = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
_SUFFIX: Final = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"

README_FORM: Final = PromptForm(
    name="readme",
    system=_SYSTEM,
    instruction="<Instruct>: {}\n<Query>:",
    query=" {}\n<Document>:",
    document=" {}",
    suffix=_SUFFIX,
    default_instruction=DEFAULT_INSTRUCTION,
)
"""The form of the Qwen3-Reranker model card, which sentence-transformers and ms-swift use too."""

EVALUATION_FORM: Final = PromptForm(
    name="evaluation",
    system=_SYSTEM,
    instruction="<Instruct>: {}\n\n<Query>:",
    query=" {}\n\n<Document>:",
    document=" {}",
    suffix="<|im_end|>\n" + _SUFFIX,
    default_instruction="Given the user query, retrieval the relevant passages",
)
"""The form of the official evaluation and vLLM scripts (QwenLM/Qwen3-Embedding), from which the published table
very likely came: blank lines between the fields, and the end of the user's turn said twice."""

FORMS: Final = {form.name: form for form in (README_FORM, EVALUATION_FORM)}


@dataclass(frozen=True, slots=True)
class PromptPrefix:
    """Token ids up to `<Document>:`, in the parts (system, instruction, query)."""

    parts: tuple[TokenIds, ...]

    @property
    def num_tokens(self) -> int:
        return sum(map(len, self.parts))


@dataclass(frozen=True, slots=True)
class DocumentTail:
    """Token ids from ` {document}` to the end of the prompt.

    num_tokens: tokens of the document before truncation (the suffix is not counted).
    """

    ids: TokenIds
    num_tokens: int
    is_truncated: bool


class PromptEncoder:
    """Builds prompts of one form with one tokenizer.

    max_length: limit of the whole prompt in tokens.
    parse_control_tokens: read `<|im_end|>` and its like inside users' texts as control tokens, as the reference
    does. Off by default: a document could otherwise end its own turn and answer for the model.
    Raises DamagedError if the tokenizer lacks the answer tokens or the control tokens of the form.
    """

    def __init__(
        self,
        tokenizer: "Tokenizer",
        form: PromptForm = README_FORM,
        *,
        max_length: int = 8192,
        parse_control_tokens: bool = False,
    ) -> None:
        self.form = form
        self.max_length = max_length
        self.parse_control_tokens = parse_control_tokens
        self._tokenizer = tokenizer
        self._text_tokenizer = tokenizer if parse_control_tokens else without_added_tokens(tokenizer)
        _check_control_tokens(tokenizer, form)
        self.yes_id = _single_token(tokenizer, form.yes)
        self.no_id = _single_token(tokenizer, form.no)
        self.suffix_ids: TokenIds = tuple(_ids(tokenizer, form.suffix))
        self._system_ids: TokenIds = tuple(_ids(tokenizer, form.system))
        self._instruction_ids = lru_cache(maxsize=256)(self._encode_instruction)

    def prefix(self, query: str, instruction: str | None = None) -> PromptPrefix:
        """The prompt up to the document. `None` means the form's default instruction.

        Raises TooLongError if no document token would fit into `max_length`, InputError if a text is not valid
        Unicode.
        """
        instruction = self.form.default_instruction if instruction is None else instruction
        check_text(instruction, "the instruction")
        check_text(query, "the query")
        query_ids = tuple(_ids(self._text_tokenizer, self.form.query.format(query)))
        prefix = PromptPrefix((self._system_ids, self._instruction_ids(instruction), query_ids))
        if self.room(prefix) < 1:
            raise TooLongError(
                f"query and instruction take {prefix.num_tokens} tokens and the prompt's end {len(self.suffix_ids)}, "
                f"but max_length is {self.max_length}; shorten them or raise max_length"
            )
        return prefix

    def room(self, prefix: PromptPrefix) -> int:
        """Tokens of a document that fit after `prefix`."""
        return self.max_length - prefix.num_tokens - len(self.suffix_ids)

    def tails(self, documents: Sequence[str], prefix: PromptPrefix) -> list[DocumentTail]:
        """One tail a document; only its end is ever cut, never the suffix. Texts must be valid Unicode."""
        room = self.room(prefix)
        texts = [self.form.document.format(document) for document in documents]
        encodings = self._text_tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [self._tail(encoding.ids, room) for encoding in encodings]

    def windows(self, document: str, prefix: PromptPrefix, max_tokens: int | None, overlap: float) -> list[Window]:
        """Character spans of overlapping windows that each fit after `prefix`, in order; see `windows_of`."""
        room = self.room(prefix)
        encoding = self._text_tokenizer.encode(document, add_special_tokens=False)
        # A window is encoded anew with a space before it, which may take a token or two more than its share.
        size = min(room - 4, max_tokens or room)
        return windows_of(encoding.offsets, len(document), max(1, size), overlap)

    def reference_ids(self, query: str, document: str, instruction: str | None = None) -> list[int]:
        """The whole prompt as the model card builds it: fixed ids, the body in one piece, fixed ids.

        The body's end is cut at `max_length`; control tokens in texts are parsed. For checks against `prefix` and
        `tails`, which must give the same ids.
        """
        form = self.form
        instruction = form.default_instruction if instruction is None else instruction
        body = form.instruction.format(instruction) + form.query.format(query) + form.document.format(document)
        room = self.max_length - len(self._system_ids) - len(self.suffix_ids)
        return [*self._system_ids, *_ids(self._tokenizer, body)[:room], *self.suffix_ids]

    def _tail(self, ids: list[int], room: int) -> DocumentTail:
        return DocumentTail((*ids[:room], *self.suffix_ids), len(ids), len(ids) > room)

    def _encode_instruction(self, instruction: str) -> TokenIds:
        return tuple(_ids(self._text_tokenizer, self.form.instruction.format(instruction)))


def without_added_tokens(tokenizer: "Tokenizer") -> "Tokenizer":
    """The same tokenizer for users' texts: knows none of the added tokens, so that no text can spell one.

    `encode_special_tokens` is not enough: `<think>`, `<tool_call>` and ten more of Qwen3's 26 added tokens are not
    marked special.
    """
    from tokenizers import Tokenizer

    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = []
    state["truncation"] = state["padding"] = None
    return Tokenizer.from_str(json.dumps(state))


def _ids(tokenizer: "Tokenizer", text: str) -> list[int]:
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids


def _single_token(tokenizer: "Tokenizer", word: str) -> int:
    ids = _ids(tokenizer, word)
    if len(ids) != 1:
        raise DamagedError(
            f"the tokenizer has no single token {word!r} (it gives {len(ids)}), but a yes/no reranker is read from "
            "it; is this tokenizer.json the one of the checkpoint?"
        )
    return ids[0]


def _check_control_tokens(tokenizer: "Tokenizer", form: PromptForm) -> None:
    """A tokenizer without the control tokens would spell them in letters and every score would be noise."""
    for token in re.findall(r"<\|?/?\w+\|?>", form.system + form.suffix):
        if tokenizer.token_to_id(token) is None:
            raise DamagedError(
                f"the tokenizer does not know the control token {token} of prompt form {form.name!r}; is this "
                "tokenizer.json the one of the checkpoint?"
            )
