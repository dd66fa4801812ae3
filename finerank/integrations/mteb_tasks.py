"""Names of MTEB's tasks: single ones, the sets behind published tables of rerankers, and tasks of one's own."""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

from ..errors import InputError
from .frameworks import needed

try:
    import mteb
    from mteb.abstasks.retrieval import AbsTaskRetrieval
except ModuleNotFoundError as error:
    raise needed(error, "mteb") from None
from .mteb_groups import GROUPS

_FROM_BENCHMARK: Final = {
    "MTEB-R": ("MTEB(eng, v2)", "Retrieval"),
    "CMTEB-R": ("MTEB(cmn, v1)", "Retrieval"),
    "MMTEB-R": ("MTEB(Multilingual, v2)", "Retrieval"),
    "MTEB-Code": ("MTEB(Code, v1)", "Retrieval"),
    "FollowIR": ("FollowIR", "InstructionReranking"),
}
"""Group -> MTEB's benchmark, and which type of its tasks. MLDR is one task."""


def tasks_of(names: Sequence[str]) -> list[AbsTaskRetrieval]:
    """The tasks, each once.   names: of tasks, of `GROUPS`, or MODULE:CLASS for a task of one's own.

    Raises InputError for a name that is none, and for a task that has nothing to rank.
    """
    found: dict[str, AbsTaskRetrieval] = {}
    for name in names:
        for task in _of_name(name):
            if not isinstance(task, AbsTaskRetrieval) or "text" not in task.metadata.modalities:
                raise InputError(
                    f"{name} is a task of type {task.metadata.type}; only retrieval and reranking of texts can be run"
                )
            found.setdefault(task.metadata.name, task)
    return list(found.values())


def _of_name(name: str) -> Sequence[mteb.AbsTask]:
    group = {each.lower(): each for each in GROUPS}.get(name.lower())
    if group == "MLDR":
        return [mteb.get_task("MultiLongDocRetrieval")]
    if group is not None:
        benchmark, kind = _FROM_BENCHMARK[group]
        return [task for task in mteb.get_benchmark(benchmark).tasks if task.metadata.type == kind]
    if ":" in name:
        return [_own_task(name)]
    try:
        return [mteb.get_task(name)]
    except KeyError as error:
        said = str(error.args[0]).removeprefix("KeyError: ")
        raise InputError(f"MTEB has no such task: {said} The groups are {', '.join(GROUPS)}.") from None


def _own_task(name: str) -> mteb.AbsTask:
    """A class of the caller's, with or without MTEB's registry."""
    module, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # as `python -m` would: the module may lie in the working folder
    try:
        task = getattr(import_module(module), attribute)()
    except (ImportError, AttributeError, TypeError) as error:
        raise InputError(
            f"{name}: there is no such class ({error}); give MODULE:CLASS of a subclass of AbsTaskRetrieval"
        ) from None
    if not isinstance(task, mteb.AbsTask):
        raise InputError(f"{name} is a {type(task).__name__}, not a task of MTEB")
    return task
