"""Tasks of MTEB's make whose data is here: nothing is fetched."""

from typing import Any, ClassVar

from datasets import Dataset
from mteb.abstasks.retrieval import AbsTaskRetrieval
from mteb.abstasks.task_metadata import TaskMetadata

CORPUS = {
    "a": "mars is called the red planet",
    "b": "the red bus in london",
    "c": "venus is hot",
    "d": "a planet is large",
    "e": "mars bars are sweet and red",
    "f": "jupiter is the largest planet of all",
    "g": "bread is baked in an oven",
    "h": "the oven is red",
}
QUERIES = {"q1": "red planet mars", "q2": "hot venus", "q3": "bread oven"}
RELEVANT = {"q1": {"a": 1}, "q2": {"c": 1}, "q3": {"g": 1}}
INSTRUCTIONS = {"q1": "only planets", "q2": "only weather", "q3": "only food"}


def about(name: str, **changes: Any) -> TaskMetadata:
    facts: dict[str, Any] = {
        "name": name,
        "description": "Eight sentences, made for this test.",
        "type": "Retrieval",
        "category": "t2t",
        "modalities": ["text"],
        "eval_splits": ["test"],
        "eval_langs": ["eng-Latn"],
        "main_score": "ndcg_at_10",
        "dataset": {"path": "nobody/nothing", "revision": "1"},
    }
    return TaskMetadata(**(facts | changes))


class ToyRetrieval(AbsTaskRetrieval):
    metadata = about("ToyRetrieval")
    times_loaded: ClassVar[int] = 0

    def load_data(self, num_proc: int | None = None, **_: Any) -> None:
        if self.data_loaded:
            return
        type(self).times_loaded += 1
        self.dataset = {"default": {"test": self._split()}}
        self.data_loaded = True

    def _split(self) -> Any:
        return {
            "corpus": Dataset.from_list([{"id": key, "title": "", "text": text} for key, text in CORPUS.items()]),
            "queries": Dataset.from_list([{"id": key, "text": text} for key, text in QUERIES.items()]),
            "relevant_docs": {key: dict(judged) for key, judged in RELEVANT.items()},
            "top_ranked": None,
        }


class ToyInstructed(ToyRetrieval):
    """Brings its candidates, and an instruction a query."""

    metadata = about("ToyInstructed", type="InstructionReranking")

    def _split(self) -> Any:
        rows = [{"id": key, "text": text, "instruction": INSTRUCTIONS[key]} for key, text in QUERIES.items()]
        candidates = {key: list("abcdefgh") for key in QUERIES}
        return {**super()._split(), "queries": Dataset.from_list(rows), "top_ranked": candidates}


class ToyUnreachable(ToyRetrieval):
    metadata = about("ToyUnreachable", dataset={"path": "nobody/far-away", "revision": "abc"})

    def load_data(self, num_proc: int | None = None, **_: Any) -> None:
        raise ConnectionError("Couldn't reach the hub")
