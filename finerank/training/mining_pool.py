"""What is mined: every document once, every query once, and which documents answer it.

Which texts are the same, folding.py says.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import InputError
from ..evaluation.datasets import fingerprint_of
from ..evaluation.types import CorpusDocument, Dataset
from .examples import Candidate, Example
from .folding import folded, folded_query


@dataclass(slots=True)
class Question:
    """A query with an instruction; examples that have both in common are one.

    positives, negatives: ids of the documents that the data labels so, in order.
    known_positives: those of all examples with this query, whatever their instruction.
    itself: documents that are the query.
    """

    id: str
    query: str
    instruction: str | None
    places: list[str] = field(default_factory=list)
    positives: list[str] = field(default_factory=list)
    negatives: list[str] = field(default_factory=list)
    known_positives: set[str] = field(default_factory=set)
    itself: list[str] = field(default_factory=list)


@dataclass(slots=True)
class MiningPool:
    """dataset: all documents and the questions' queries, without judgements.

    left_out: reason -> how many, of what the data has and is not mined with.
    """

    questions: list[Question]
    dataset: Dataset
    left_out: Counter[str]

    def example(
        self,
        question: Question,
        positives: Sequence[str],
        negatives: Sequence[str],
        teacher: Mapping[str, float] | None,
    ) -> Example:
        """teacher: log-odds by document id, of all of these documents; None if there is none."""
        candidates = tuple(
            Candidate(self.dataset.corpus[each].text, label, None if teacher is None else teacher[each])
            for label, documents in ((1.0, positives), (0.0, negatives))
            for each in documents
        )
        return Example(question.query, candidates, question.instruction, ", ".join(question.places))


def pool_of(examples: Iterable[Example], documents: Iterable[str], instruction: str | None = None) -> MiningPool:
    """documents: besides those of the examples.   instruction: of examples without one.

    Raises InputError if no example has a positive.
    """
    maker = _PoolMaker(instruction)
    for example in examples:
        maker.add(example)
    for text in documents:
        maker.id_of(text)
    return maker.pool()


class _PoolMaker:
    def __init__(self, instruction: str | None) -> None:
        self._instruction = instruction
        self._ids: dict[str, str] = {}
        self._texts: dict[str, str] = {}
        self._questions: dict[tuple[str, str | None], Question] = {}
        self._left_out: Counter[str] = Counter()

    def add(self, example: Example) -> None:
        if not example.query.strip():
            self._left_out["examples with a blank query"] += 1
            return
        instruction = self._instruction if example.instruction is None else example.instruction
        key = folded_query(example.query), instruction
        if key not in self._questions:
            self._questions[key] = Question(f"q{len(self._questions) + 1}", example.query, instruction)
        question = self._questions[key]
        if example.place:
            question.places.append(example.place)
        self._extend(question.positives, example.positives)
        self._extend(question.negatives, example.negatives)

    def id_of(self, text: str) -> str | None:
        """Of the document; None if it is blank."""
        if not text.strip():
            return None
        key = folded(text)
        if key not in self._ids:
            self._ids[key] = f"d{len(self._ids) + 1}"
            self._texts[self._ids[key]] = text
        return self._ids[key]

    def pool(self) -> MiningPool:
        self._spread_positives()
        itself = self._documents_like_queries()
        questions = [each for each in self._questions.values() if each.positives]
        self._left_out["queries without a positive"] = len(self._questions) - len(questions)
        if not questions:
            raise InputError(
                "no example has a query and a positive document; mining looks for documents that do not answer a query "
                "beside those that do"
            )
        for question in questions:
            question.itself = itself.get(folded_query(question.query), [])
            clean = [each for each in question.negatives if each not in question.known_positives]
            self._left_out["labelled negatives that are positives of the query"] += len(question.negatives) - len(clean)
            question.negatives = clean
        corpus = {id_: CorpusDocument(text) for id_, text in self._texts.items()}
        dataset = Dataset("mined", "", {each.id: each.query for each in questions}, corpus, {})
        dataset.instructions = {each.id: each.instruction for each in questions if each.instruction is not None}
        dataset.fingerprint = fingerprint_of(dataset)
        return MiningPool(questions, dataset, +self._left_out)

    def _extend(self, ids: list[str], candidates: Sequence[Candidate]) -> None:
        for candidate in candidates:
            found = self.id_of(candidate.text)
            if found is None:
                self._left_out["blank documents of examples"] += 1
            elif found not in ids:
                ids.append(found)

    def _documents_like_queries(self) -> dict[str, list[str]]:
        """Folded query -> ids of the documents that say the same."""
        found: dict[str, list[str]] = {query: [] for query, _ in self._questions}
        for id_, text in self._texts.items():
            if (query := folded_query(text)) in found:
                found[query].append(id_)
        return found

    def _spread_positives(self) -> None:
        """To all questions with an equal query."""
        by_query: dict[str, set[str]] = {}
        for (query, _), question in self._questions.items():
            by_query.setdefault(query, set()).update(question.positives)
            question.known_positives = by_query[query]
