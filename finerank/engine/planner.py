"""What runs next: one batch out of the pairs that wait, a fair share of it for each caller.

A batch is bounded by tokens, not by documents. Callers take turns, a pair each, so that a call of 5 documents is
through after a few batches even while one of 1,000 is running.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from ..models.base import EncodedPair
from .job import Job


@dataclass(slots=True)
class Batch:
    """Pairs to compute together, each with the job it belongs to."""

    members: list[tuple[Job, int]] = field(default_factory=list)

    @property
    def pairs(self) -> list[EncodedPair]:
        return [job.pairs[index] for job, index in self.members]

    def halves(self) -> tuple["Batch", "Batch"]:
        middle = len(self.members) // 2
        return Batch(self.members[:middle]), Batch(self.members[middle:])


@dataclass(slots=True)
class Planner:
    """max_tokens: budget of a batch; a single pair may exceed it.   max_pairs: 0 = no limit."""

    max_tokens: int
    max_pairs: int = 0

    def next_batch(self, jobs: Sequence[Job]) -> Batch:
        """Takes pairs out of `jobs`, in turns. Empty only if nothing waits."""
        batch = Batch()
        shared: set[Hashable] = set()
        num_tokens = 0
        taken = dict.fromkeys(jobs, 0)
        turns = [job for job in jobs if job.has_waiting]
        while turns and not self._is_full(batch):
            still: list[Job] = []
            for job in turns:
                pair = job.peek()
                cost = pair.own_tokens + (pair.shared_tokens if pair.shared_key not in shared else 0)
                if batch.members and (num_tokens + cost > self.max_tokens or self._is_full(batch)):
                    continue
                batch.members.append((job, job.take()))
                shared.add(pair.shared_key)
                num_tokens += cost
                taken[job] += 1
                if job.has_waiting and taken[job] != job.max_pairs:
                    still.append(job)
            turns = still
        return batch

    def _is_full(self, batch: Batch) -> bool:
        return 0 < self.max_pairs <= len(batch.members)
