"""`Search`: negatives of each query, from the window of its ranks and from all documents, as a judge lets them pass."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from ..evaluation.ordering import ranked
from ..evaluation.types import Run
from .mining_judge import Judge
from .mining_options import MiningOptions
from .mining_pool import MiningPool, Question

_DRAWS: Final = 20
"""Random documents looked at for each that is wanted, before a query is left with fewer."""


@dataclass(slots=True)
class Want:
    """So many documents of `source` for a question, as far as they are negatives: those found so far."""

    question: Question
    source: Iterator[str]
    target: int
    found: list[str] = field(default_factory=list)

    @property
    def missing(self) -> int:
        return self.target - len(self.found)


class Search:
    """mined, random: what was found for each question; both without those questions that could not be judged."""

    def __init__(self, pool: MiningPool, run: Run, judge: Judge, options: MiningOptions) -> None:
        self.dropped: Counter[str] = Counter()
        self.pool = pool
        self._run, self._judge, self._options = run, judge, options
        self._ids = list(pool.dataset.corpus)
        wants = [Want(each, iter(self._window(each)), options.negatives) for each in pool.questions]
        self._look(wants)
        self.mined = [want for want in wants if judge.can_judge(want.question)]
        for want in self.mined:
            order = {each: rank for rank, each in enumerate(ranked(self._run.get(want.question.id, {})))}
            want.found.sort(key=order.__getitem__)
        self.random = [self._random(want) for want in self.mined]
        self._look([want for want in self.random if want.target])

    def _window(self, question: Question) -> list[str]:
        """Documents that may be negatives by their rank, in the order in which they are looked at."""
        options, labelled = self._options, set(question.negatives)
        found = ranked(self._run.get(question.id, {}))
        strangers = [each for each in found if each not in question.known_positives and each not in question.itself]
        self.dropped["equal to the query"] += sum(each in question.itself for each in found)
        self.dropped["positives of another example with this query"] += sum(
            each in question.known_positives and each not in question.positives for each in found
        )
        above = [each for each in strangers[: options.ranks.first - 1] if each not in labelled]
        self.dropped[f"in the first {options.ranks.first - 1} ranks"] += len(above)
        window = [each for each in strangers[options.ranks.first - 1 : options.ranks.last] if each not in labelled]
        if options.sampling == "random":
            random.Random(f"{options.seed} {question.query}").shuffle(window)
        return window

    def _random(self, mined: Want) -> Want:
        target = self._options.random + (mined.missing if self._options.fill else 0)
        return Want(mined.question, self._draws(mined.question, _DRAWS * target), target)

    def _draws(self, question: Question, num: int) -> Iterator[str]:
        """Documents that the first stage did not return, each once, of at most so many draws from all of them."""
        known = {*self._run.get(question.id, {}), *question.known_positives, *question.negatives, *question.itself}
        chance = random.Random(f"{self._options.seed} {question.query} of all documents")
        for _ in range(num):
            drawn = self._ids[chance.randrange(len(self._ids))]
            if drawn not in known:
                known.add(drawn)
                yield drawn

    def _look(self, wants: Sequence[Want]) -> None:
        """In rounds: whoever misses some gets more from its source, as long as that has any.

        The first round is for all, so that a teacher has read what is labelled.
        """
        questions = {want.question.id: want.question for want in wants}
        batches = {want.question.id: list(islice(want.source, want.target)) for want in wants}
        while batches:
            self._judge.learn(batches, questions)
            for want in wants:
                if self._judge.can_judge(want.question):
                    self._keep(want, batches.get(want.question.id, []))
            batches = {
                want.question.id: more
                for want in wants
                if want.missing and self._judge.can_judge(want.question)
                if (more := list(islice(want.source, 2 * want.missing)))
            }

    def _keep(self, want: Want, documents: Sequence[str]) -> None:
        for each in documents:
            objection = self._judge.objection(want.question, each)
            if objection is not None:
                self.dropped[objection] += 1
            elif want.missing:
                want.found.append(each)
