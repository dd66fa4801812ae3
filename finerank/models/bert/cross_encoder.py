"""BERT cross-encoders (ms-marco-MiniLM and their like): query and document are read together, the first token tells."""

import logging
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Final

from ...errors import UnsupportedError
from ...selftest import Check
from ...texts import Window, windows_of
from ...types import ModelInfo
from ..base import BatchResult, EncodedPair, PairModel
from ..checkpoint import Checkpoint
from ..pretrained import check_room
from ..sentence_folder import SentenceFolder
from ..source import Source, load_tokenizer, tensors_of
from .config import BertConfig
from .head import PairHead
from .network import BertNetwork
from .rows import Rows
from .tokens import BertTokens, PairIds

_log = logging.getLogger(__name__)

_CLASS: Final = "BertForSequenceClassification"


class BertCrossEncoder(PairModel):
    """log_odds = the raw logit of `[CLS] query [SEP] document [SEP]`, or logit(yes) - logit(no) of two labels.

    Only the end of a document is ever cut, at info.max_length tokens of the whole pair.
    """

    def __init__(self, info: ModelInfo, tokens: BertTokens, network: BertNetwork, head: PairHead) -> None:
        self.info = info
        self.tokens = tokens
        self.network = network
        self._head = head

    def encode(self, query: str, documents: Sequence[str], instruction: str | None) -> list[EncodedPair]:
        (query_ids,) = self.tokens.ids([query])
        room = self._room(len(query_ids))
        whole = self.tokens.ids(documents)
        pairs = self.tokens.pairs(query_ids, [ids[:room] for ids in whole])
        return [
            EncodedPair(pair, len(pair.ids), len(ids), len(ids) > room) for pair, ids in zip(pairs, whole, strict=True)
        ]

    def windows(
        self, query: str, document: str, instruction: str | None, max_tokens: int | None, overlap: float
    ) -> list[Window]:
        room = self._room(*self.tokens.counter.counts([query]))
        size = min(room, max_tokens or room)
        offsets = self.tokens.counter.offsets(document)
        while True:
            spans = windows_of(offsets, len(document), size, overlap)
            # A word that is cut in two may take more tokens than it did whole.
            longest = max(self.tokens.counter.counts([document[start:end] for start, end in spans]))
            if longest <= room or size == 1:
                return spans
            size = max(1, size - (longest - room))

    def compute(self, pairs: Sequence[EncodedPair]) -> BatchResult:
        sequences: list[PairIds] = [pair.payload for pair in pairs]
        rows = Rows([each.ids for each in sequences], [each.types for each in sequences])
        first = self.network.run(rows, first_only=True, on_pause=self.on_pause)
        log_odds = rows.in_callers_order(self._head.log_odds(first))
        return BatchResult(log_odds.cpu().numpy(), rows.num_rows)

    def release_memory(self) -> None:
        self.network.release_memory()

    def self_checks(self) -> list[Check]:
        query, document = "a query", "A text of a few words."
        (pair,) = self.encode(query, [document], None)
        whole = self.tokens.whole_pair(query, document)
        norm = float(self._head.row.norm())
        return [
            Check("pair ids", whole == pair.payload, f"{pair.own_tokens} ids, in parts and in one piece"),
            Check("the head tells apart", 0.0 < norm < float("inf"), f"its direction has length {norm:.3g}"),
        ]

    def _room(self, query_tokens: int) -> int:
        """Tokens of a document that fit beside a query."""
        return check_room(query_tokens + self.tokens.num_special_of_pair, self.info.max_length)


def load_bert_cross_encoder(source: Source, weights: "Future[str]") -> BertCrossEncoder | None:
    """None for a checkpoint that is more than what is computed here, which is left to sentence-transformers.

    weights: their hash.   On a CPU only: on a GPU its many small attention calls were not measured yet.
    Raises DamagedError if it, or its adapter, does not fit together.
    """
    if source.device.type != "cpu" or not _is_plain(source.checkpoint):
        return None
    try:
        tokens, network, head = _parts(source)
    except UnsupportedError as error:
        _log.info("%s is left to sentence-transformers: %s", source.name, error)
        return None
    limits = _length_limits(SentenceFolder(source.checkpoint))
    max_length = min(source.options.max_length, network.config.max_positions, *limits)
    info = source.info("cross_encoder", max_length=max_length, default_instruction=None, weights=weights.result())
    return BertCrossEncoder(info, tokens, network, head)


def _parts(source: Source) -> tuple[BertTokens, BertNetwork, PairHead]:
    checkpoint = source.checkpoint
    config = BertConfig.from_dict(checkpoint.config)
    if config.num_token_types < 2:
        raise UnsupportedError("it has one token type; a query and a document are told apart by two")
    tokens = BertTokens(
        load_tokenizer(checkpoint.path, config.vocab_size),
        SentenceFolder(checkpoint).tokenizer_config,
        parse_control_tokens=source.options.parse_control_tokens,
    )
    tokens.refuse_unless_paired()
    tensors = tensors_of(checkpoint)
    head = PairHead(
        tensors,
        config.hidden_size,
        source.device,
        labels=checkpoint.labels,
        yes_label=checkpoint.yes_label,
        place=checkpoint.path,
    )
    return tokens, BertNetwork(config, tensors, source.device, source.dtype.dtype), head


def _is_plain(checkpoint: Checkpoint) -> bool:
    """A BERT with no settings of its own. What an embedder does behind its network, it does not do for pairs."""
    if checkpoint.config.get("model_type") != "bert" or not (checkpoint.path / "tokenizer.json").is_file():
        return False
    folder = SentenceFolder(checkpoint)
    if folder.is_embedder:
        return True
    is_classifier = (checkpoint.config.get("architectures") or [None])[0] == _CLASS
    return is_classifier and folder.kinds in ([], ["Transformer"]) and not folder.has_surprises


def _length_limits(folder: SentenceFolder) -> list[int]:
    """Tokens, beside the network's own limit. An embedder's own limit is for one text."""
    return folder.tokenizer_limits if folder.is_embedder else folder.length_limits
