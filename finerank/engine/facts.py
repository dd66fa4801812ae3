"""`BatchFacts`: what a batch was like, for whoever keeps figures."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """One batch that was computed, or failed.

    num_pairs, num_jobs: pairs in it, and calls they belong to.   num_tokens, max_tokens: as planned, and the budget.
    computed_tokens: that went through the network.   seconds: it took, without batches that were let through meanwhile.
    waits: for each call whose first pair is in it, seconds since it was submitted.
    is_urgent: small calls that were let through between the layers of a larger batch.
    is_failed: it brought no result; what it holds is tried again in halves.
    """

    num_pairs: int
    num_jobs: int
    num_tokens: int
    max_tokens: int
    computed_tokens: int
    seconds: float
    waits: tuple[float, ...] = ()
    is_urgent: bool = False
    is_failed: bool = False
