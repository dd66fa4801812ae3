"""nDCG@10 of a model in training: the network as it is now, over the candidates of held-out queries."""

import random
from collections.abc import Mapping, Sequence
from typing import Final

import torch

from ..evaluation.metrics import means, per_query
from ..evaluation.ordering import ranked
from ..evaluation.types import Dataset, Run
from .trainee import TokenSequence, Trainee

METRIC: Final = "nDCG@10"


class DevScore:
    """Called for the score; the same queries and candidates each time.

    candidates: query id -> document ids, best first.   max_queries: drawn at random if there are more.
    depth: of each query's candidates.   batch_tokens: that go through the network at once.
    """

    def __init__(
        self,
        trainee: Trainee,
        dataset: Dataset,
        candidates: Mapping[str, Mapping[str, float]],
        *,
        batch_tokens: int,
        depth: int = 20,
        max_queries: int = 50,
        seed: int = 0,
    ) -> None:
        self._trainee = trainee
        self._batch_tokens = batch_tokens
        asked = [query_id for query_id in dataset.qrels if candidates.get(query_id) and query_id in dataset.queries]
        if len(asked) > max_queries:
            asked = sorted(random.Random(seed).sample(asked, max_queries))
        self._qrels = {query_id: dataset.qrels[query_id] for query_id in asked}
        self._pairs: list[tuple[str, str, TokenSequence]] = []
        for query_id in asked:
            names = ranked(dict(candidates[query_id]))[:depth]
            texts = [dataset.corpus[name].full_text for name in names]
            encoded = trainee.encode(dataset.queries[query_id], texts, dataset.instructions.get(query_id))
            self._pairs += [(query_id, name, each) for name, each in zip(names, encoded, strict=True)]
        self._pairs.sort(key=lambda pair: -len(pair[2].ids))

    @property
    def num_pairs(self) -> int:
        """Scored each time."""
        return len(self._pairs)

    @torch.no_grad()
    def __call__(self) -> float:
        """In [0, 1]."""
        run: Run = {query_id: {} for query_id in self._qrels}
        was_training = self._trainee.network.training
        self._trainee.network.eval()
        try:
            for batch in _batches(self._pairs, self._batch_tokens):
                log_odds = self._trainee.log_odds([sequence for _, _, sequence in batch]).tolist()
                for (query_id, name, _), value in zip(batch, log_odds, strict=True):
                    run[query_id][name] = value
        finally:
            self._trainee.network.train(was_training)
        return means(per_query(self._qrels, run, [METRIC]))[METRIC]


def _batches(
    pairs: Sequence[tuple[str, str, TokenSequence]], batch_tokens: int
) -> list[list[tuple[str, str, TokenSequence]]]:
    batches: list[list[tuple[str, str, TokenSequence]]] = []
    used = 0
    for pair in pairs:
        size = len(pair[2].ids)
        if not batches or used + size > batch_tokens:
            batches.append([])
            used = 0
        batches[-1].append(pair)
        used += size
    return batches
