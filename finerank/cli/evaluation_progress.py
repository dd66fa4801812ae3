"""Progress bars of an evaluation: one for each part of the work."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import TaskID

from .console import bars, is_watched


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None] | None]:
    """Yields what moves the bar of (part, done, total); None if nobody is looking."""
    if not is_watched():
        yield None
        return
    with bars() as progress:
        tasks: dict[str, TaskID] = {}

        def move(part: str, done: int, total: int) -> None:
            if part not in tasks:
                tasks[part] = progress.add_task(part, total=total)
            progress.update(tasks[part], completed=done, total=total)

        yield move
