"""`PairEncoder`: a query and its documents' texts to what the engine is asked for; knows no engine."""

from collections.abc import Iterable
from dataclasses import dataclass

from .calls import Work, cut_pair
from .engine.result_cache import ResultCache, cache_keys
from .models.base import EncodedPair, PairModel
from .reading import Reading
from .texts import Window


@dataclass(frozen=True, slots=True)
class PairEncoder:
    """long_documents: (tokens, overlap) of windows, tokens None = as many as fit; None cuts long documents.

    result_cache: scores that need not be computed again.
    """

    model: PairModel
    long_documents: tuple[int | None, float] | None
    result_cache: ResultCache | None

    def add(self, work: Work, query: str, texts: Iterable[tuple[int, str | None]], reading: Reading) -> None:
        """Adds the pairs of all texts that are not None; equal texts are one pair, so that they tie exactly.

        texts: each with its document's index.
        """
        owners: dict[str, list[int]] = {}
        for index, text in texts:
            if text is not None:
                owners.setdefault(text, []).append(index)
        if self.result_cache is not None:
            self._take_known(query, owners, reading, work, self.result_cache)
        if not owners:
            return
        encoded = self.model.encode(query, list(owners), reading.instruction)
        for (text, indices), whole in zip(owners.items(), encoded, strict=True):
            limit = reading.max_document_tokens
            if limit is not None and whole.num_tokens > limit:
                ((_, end), *_) = self.model.windows(query, text, reading.instruction, limit, 0.0)
                (cut,) = self.model.encode(query, [text[:end]], reading.instruction)
                work.add(indices, cut_pair(whole, cut), None)
            else:
                work.add(indices, whole, self._windows(query, text, whole, reading.instruction))

    def _take_known(
        self, query: str, owners: dict[str, list[int]], reading: Reading, work: Work, cache: ResultCache
    ) -> None:
        """Moves documents whose score is known out of `owners` into `work`."""
        effective = self.model.info.effective_instruction(reading.instruction)
        scope = (self.model.info.fingerprint, self.long_documents, reading.max_document_tokens, effective)
        keys = cache_keys(scope, query, list(owners))
        known = cache.get_many(keys)
        for key, (text, indices) in zip(keys, list(owners.items()), strict=True):
            if key in known:
                work.known |= dict.fromkeys(indices, known[key])
                del owners[text]
            else:
                work.keys[indices[0]] = key

    def _windows(
        self, query: str, text: str, whole: EncodedPair, instruction: str | None
    ) -> tuple[list[Window], list[EncodedPair]] | None:
        """Spans of a long document and their pairs; None if it is scored in one piece."""
        if self.long_documents is None:
            return None
        chunk_tokens, overlap = self.long_documents
        if not whole.is_truncated and (chunk_tokens is None or whole.num_tokens <= chunk_tokens):
            return None
        spans = self.model.windows(query, text, instruction, chunk_tokens, overlap)
        return spans, self.model.encode(query, [text[start:end] for start, end in spans], instruction)
