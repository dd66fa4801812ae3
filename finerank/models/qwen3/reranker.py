"""A yes/no reranker on the Qwen3 network: prompts to hidden states, hidden states to log-odds."""

from collections.abc import Sequence

from torch import Tensor

from ...prompt import DocumentTail, PromptEncoder, PromptPrefix
from ...selftest import Check
from ...texts import Window
from ...types import ModelInfo
from ..base import BatchResult, EncodedPair, PairModel
from .network import Qwen3Network
from .runner import Runner


class Qwen3Reranker(PairModel):
    """log_odds = (final hidden state of the last token) · head, in fp32.

    head: (D,) fp32, row("yes") - row("no") of the language-model head.
    is_deterministic: every prefix part and every pair is computed alone, in shapes that depend on nothing else, so
    that a pair's score is the same to the last bit in any company.
    """

    def __init__(
        self,
        info: ModelInfo,
        encoder: PromptEncoder,
        network: Qwen3Network,
        head: Tensor,
        *,
        prefix_cache_bytes: int,
        is_deterministic: bool = False,
    ) -> None:
        self.info = info
        self.encoder = encoder
        self.runner = Runner(network, prefix_cache_bytes=prefix_cache_bytes, is_deterministic=is_deterministic)
        self._head = head.to(network.device)

    @property
    def network(self) -> Qwen3Network:
        return self.runner.network

    def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[EncodedPair]:
        prefix = self.encoder.prefix(query, instruction)
        return [_pair(prefix, tail) for tail in self.encoder.tails(documents, prefix)]

    def windows(
        self, query: str, document: str, instruction: str | None, max_tokens: int | None, overlap: float
    ) -> list[Window]:
        return self.encoder.windows(document, self.encoder.prefix(query, instruction), max_tokens, overlap)

    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        """Raises torch's out-of-memory error if one pair alone does not fit even in the smallest row blocks."""
        hidden, num_tokens = self.runner.run([pair.payload for pair in pairs], self.on_pause)
        return BatchResult((hidden @ self._head).cpu().numpy(), num_tokens)

    def self_checks(self) -> list[Check]:
        encoder, text = self.encoder, "A text of a few words."
        prefix = encoder.prefix("a query")
        (tail,) = encoder.tails([text], prefix)
        split = [token for part in prefix.parts for token in part] + list(tail.ids)
        whole = encoder.reference_ids("a query", text)
        (cut,) = encoder.tails([text * encoder.max_length], prefix)
        is_kept = cut.is_truncated and cut.ids[-len(encoder.suffix_ids) :] == encoder.suffix_ids
        norm = float(self._head.norm())
        return [
            Check("prompt ids", split == whole, f"{len(whole)} ids, in parts and in one piece"),
            Check("prompt end survives truncation", is_kept, f"last {len(encoder.suffix_ids)} ids of a cut prompt"),
            Check("yes and no differ", 0.0 < norm < float("inf"), f"their rows of the head are {norm:.3g} apart"),
        ]

    def release_memory(self) -> None:
        self.runner.release_memory()


def _pair(prefix: PromptPrefix, tail: DocumentTail) -> EncodedPair:
    return EncodedPair(
        payload=(prefix.parts, tail.ids),
        own_tokens=len(tail.ids),
        num_tokens=tail.num_tokens,
        is_truncated=tail.is_truncated,
        shared_key=prefix.parts,
        shared_tokens=prefix.num_tokens,
    )
