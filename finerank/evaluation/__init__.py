"""Does reranking help on these data, by how much, and at what cost?

    >>> from finerank.evaluation import evaluate, load_dataset  # doctest: +SKIP
    >>> found = evaluate(load_dataset("nfcorpus"), Reranker())  # doctest: +SKIP

Names are loaded when first used. A newcomer's path: datasets.py -> first_stage.py -> reranking.py -> evaluator.py.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from .cache import EvaluationCache
    from .datasets import load_dataset, sample_queries
    from .evaluator import Contender, compare, evaluate
    from .regression import Fallen, Regression, regressions
    from .types import CorpusDocument, Cost, Dataset, Evaluation, PairedTest, Stage

_MODULE_OF: Final = {
    "EvaluationCache": "cache",
    **dict.fromkeys(("load_dataset", "sample_queries"), "datasets"),
    **dict.fromkeys(("Contender", "compare", "evaluate"), "evaluator"),
    **dict.fromkeys(("Fallen", "Regression", "regressions"), "regression"),
    **dict.fromkeys(("CorpusDocument", "Cost", "Dataset", "Evaluation", "PairedTest", "Stage"), "types"),
}

__all__ = [
    "Contender",
    "CorpusDocument",
    "Cost",
    "Dataset",
    "Evaluation",
    "EvaluationCache",
    "Fallen",
    "PairedTest",
    "Regression",
    "Stage",
    "compare",
    "evaluate",
    "load_dataset",
    "regressions",
    "sample_queries",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
