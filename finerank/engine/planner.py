"""What runs next: one batch out of the pairs that wait.

A batch is bounded by tokens, not by documents. Half of it goes to the call that came first, the rest to those that
are nearest to their end: a call of 5 documents is through at once while one of 1,000 is running, the one of 1,000
goes on whatever comes, and calls of like size are answered in the order in which they came.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ..models.base import EncodedPair
from .job import Job

_FIRST_SHARE: Final = 0.5
_SMALL: Final = 4
"""A call is let through between the layers of a batch if it is so many times smaller than each call in it."""


@dataclass(slots=True)
class Batch:
    """Pairs to compute together, each with the job it belongs to.   num_tokens: prefixes counted once."""

    members: list[tuple[Job, int]] = field(default_factory=list)
    num_tokens: int = 0
    _jobs: list[Job] | None = None

    @property
    def pairs(self) -> list[EncodedPair]:
        return [job.pairs[index] for job, index in self.members]

    @property
    def jobs(self) -> list[Job]:
        """Each once, in order; of a batch that is filled."""
        if self._jobs is None:
            self._jobs = list(dict.fromkeys([job for job, _ in self.members]))
        return self._jobs

    def halves(self) -> tuple["Batch", "Batch"]:
        middle = len(self.members) // 2
        return Batch(self.members[:middle], self.num_tokens // 2), Batch(self.members[middle:], self.num_tokens // 2)

    def by_job(self) -> list["Batch"]:
        return [Batch([member for member in self.members if member[0] is job]) for job in self.jobs]


@dataclass(slots=True)
class Planner:
    """max_tokens: budget of a batch; a single pair may exceed it.   max_pairs: 0 = no limit."""

    max_tokens: int
    max_pairs: int = 0

    def next_batch(self, jobs: Sequence[Job]) -> Batch:
        """Takes pairs out of `jobs`, which stand in the order in which they came. Empty only if nothing waits."""
        waiting = [job for job in jobs if job.has_waiting]
        filling = _Filling(self)
        if len(waiting) > 1:
            filling.take_from(waiting[0], int(_FIRST_SHARE * self.max_tokens))
            waiting.sort(key=lambda job: job.waiting_tokens)  # stable: equal ones stay in order
        for job in waiting:
            filling.take_from(job, self.max_tokens)
        return filling.batch

    def small_calls(self, jobs: Sequence[Job], running: Batch, lent_tokens: int) -> Batch:
        """Pairs of calls that should not have to wait for `running` to end; mostly none.

        lent_tokens: taken that way during `running` so far. Never more than the batch's own, so that large calls keep
        at least half of the machine.
        """
        room = min(self.max_tokens, running.num_tokens - lent_tokens)
        size = min(job.num_tokens for job in running.jobs)
        small = [job for job in jobs if job.has_waiting and _SMALL * job.num_tokens <= size]
        filling = _Filling(self)
        for job in sorted(small, key=lambda job: job.waiting_tokens):
            if filling.batch.num_tokens + job.waiting_tokens <= room:
                filling.take_from(job, room)
        return filling.batch


class _Filling:
    """A batch being filled."""

    def __init__(self, planner: Planner) -> None:
        self.batch = Batch()
        self._planner = planner
        self._shared: set[Hashable] = set()
        self._taken: dict[Job, int] = {}

    def take_from(self, job: Job, max_tokens: int) -> None:
        """Pairs of `job` until it has none, or the batch holds `max_tokens`; the first pair of a batch always fits."""
        batch, num_taken = self.batch, self._taken.get(job, 0)
        most = self._most_pairs(job, num_taken)
        known: Hashable = None
        while most > 0 and job.has_waiting:
            pair = job.peek()
            cost = pair.own_tokens
            # Keys are long tuples, and pairs of a call mostly share the very same one.
            if pair.shared_key is not known and pair.shared_key not in self._shared:
                cost += pair.shared_tokens
            if batch.members and batch.num_tokens + cost > max_tokens:
                break
            known = pair.shared_key
            self._shared.add(known)
            batch.members.append((job, job.take()))
            batch.num_tokens += cost
            num_taken += 1
            most -= 1
        self._taken[job] = num_taken

    def _most_pairs(self, job: Job, num_taken: int) -> int:
        """How many pairs of `job` the batch may still take, by number."""
        of_batch = self._planner.max_pairs - len(self.batch.members) if self._planner.max_pairs else len(job.pairs)
        of_job = job.max_pairs - num_taken if job.max_pairs else len(job.pairs)
        return min(of_batch, of_job)
