"""`ModelSlot`: one served name: the model that answers to it now, loading it, and changing to another one meanwhile.

Used from the event loop only; the loading itself runs in a thread of its own. It knows no HTTP.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import FinerankError, NotReadyError
from ..settings import Settings

if TYPE_CHECKING:
    from ..reranker import Reranker

_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(slots=True)
class Change:
    """A change of model under way, or the last one that failed. `error` is a sentence."""

    model: str
    error: str | None = None


@dataclass(slots=True)
class _Held:
    """A reranker with the number of calls that use it; a retired one is closed by its last call.

    is_ours: loaded here, so closed here.
    """

    reranker: "Reranker"
    is_ours: bool
    num_calls: int = 0
    is_retired: bool = False


class ModelSlot:
    """Holds one reranker. Without one given, `load` must be awaited first; until then `use` raises NotReadyError.

    name: under which it is served.   settled: set when `load` has ended.   failure: why it brought no model.
    change: see `change_to`.   on_put: called with each reranker that takes the slot.
    used_at: monotonic seconds of the last call.
    """

    def __init__(
        self,
        settings: Settings,
        reranker: "Reranker | None" = None,
        *,
        name: str | None = None,
        on_put: "Callable[[Reranker], None] | None" = None,
    ) -> None:
        self._settings = settings
        self.name = name or (settings.model[0] if settings.model else "embedded")
        self.used_at = time.monotonic()
        self.was_unloaded = False
        self._last_bytes = 0
        self._on_put = on_put
        self._held = None if reranker is None else _Held(reranker, is_ours=False)
        self._tasks: set[asyncio.Task[None]] = set()
        self.settled = asyncio.Event()
        self.is_closed = False
        self.failure: Exception | None = None
        self.change: Change | None = None

    @property
    def wanted(self) -> str:
        """Name of the model that the settings ask for."""
        return self._settings.model[0] if self._settings.model else "the embedded model"

    @property
    def expected_bytes(self) -> int:
        """Of the weights, as far as files on this machine tell; 0 if they do not."""
        folder = Path(self._settings.model[0]).expanduser() if self._settings.model else None
        files = folder.glob("*.safetensors") if folder is not None and folder.is_dir() else []
        return self._last_bytes or sum(file.stat().st_size for file in files)

    @property
    def num_bytes(self) -> int:
        """Of the loaded weights; 0 while there are none."""
        return 0 if self._held is None else self._held.reranker.model.num_bytes

    @property
    def is_busy(self) -> bool:
        """Does a call use it?"""
        return self._held is not None and self._held.num_calls > 0

    def answers_to(self, name: str) -> bool:
        """Is `name` what the loaded model calls itself?"""
        return self._held is not None and self._held.reranker.info.name == name

    @property
    def reranker(self) -> "Reranker":
        """The one that answers now. Raises NotReadyError; use `use` to call it."""
        if self._held is None:
            raise NotReadyError(self.why_not())
        return self._held.reranker

    @property
    def is_ready(self) -> bool:
        return self._held is not None

    @property
    def is_changing(self) -> bool:
        """Is a model being loaded, the first one or another?"""
        if self.is_ready:
            return self.change is not None and self.change.error is None
        return self.failure is None

    def use(self) -> "_Use":
        """`with slot.use() as reranker`: it is kept open until the block ends, even if another one takes its place."""
        if self._held is None:
            raise NotReadyError(self.why_not())
        self.used_at = time.monotonic()
        return _Use(self, self._held)

    def release(self, held: _Held) -> None:
        """A call that used it has ended."""
        held.num_calls -= 1
        self._close_if_unused(held)

    async def load(self) -> None:
        """Loads the model of the settings. What goes wrong is kept in `failure`."""
        try:
            if self._held is not None:
                self._tell_put(self._held.reranker)
            else:
                self._put(await in_thread(lambda: load_reranker(self._settings)))
        except Exception as error:
            self.failure = error
        self.settled.set()

    def change_to(self, model: str) -> None:
        """Starts to load `model`; when it is ready it takes the slot. Does nothing while another change runs."""
        if self.is_changing:
            return
        self.change = Change(model)
        self._keep(self._change(self.change))

    async def replace(self, settings: Settings) -> None:
        """Loads what `settings` ask for, which then takes the slot. Raises what `Reranker` raises."""
        self._put(await in_thread(lambda: load_reranker(settings)))
        self._settings = settings
        self.failure = None

    async def unload(self) -> None:
        """Gives the memory back; the next call loads again. Only while no call uses it."""
        self._last_bytes = self.num_bytes
        held, self._held = self._held, None
        self.was_unloaded = True
        if held is not None and held.is_ours:
            await asyncio.to_thread(held.reranker.close)

    async def close(self) -> None:
        """Ends loading and closes what was loaded here."""
        self.is_closed = True
        for task in self._tasks:
            task.cancel()
        if self._held is not None and self._held.is_ours:
            await asyncio.to_thread(self._held.reranker.close)

    async def _change(self, change: Change) -> None:
        settings = self._settings.model_copy(update={"model": (change.model,), "revision": None, "calibration": None})
        try:
            await self.replace(settings)
            self.change = None
        except FinerankError as error:
            change.error = str(error)
        except Exception as error:
            _log.exception("%s could not be loaded", change.model)
            change.error = f"{change.model} could not be loaded: {type(error).__name__}; the server's log says where"

    def _put(self, reranker: "Reranker") -> None:
        """The new one answers from now on; the old one finishes its calls."""
        old, self._held = self._held, _Held(reranker, is_ours=True)
        self._tell_put(reranker)
        if old is not None:
            old.is_retired = True
            self._close_if_unused(old)

    def _tell_put(self, reranker: "Reranker") -> None:
        if self._on_put is not None:
            self._on_put(reranker)

    def _close_if_unused(self, held: _Held) -> None:
        if held.is_retired and held.is_ours and held.num_calls == 0:
            # close() waits for the batch in hand, which must not stop the event loop.
            threading.Thread(target=held.reranker.close, name="finerank-close", daemon=True).start()

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        """The event loop keeps only weak references to tasks."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def why_not(self) -> str:
        """Why there is no model, in a sentence."""
        if self.failure is not None:
            return f"{self.wanted} could not be loaded: {self.failure}"
        return f"{self.wanted} is still being loaded; try again in a few seconds"


class _Use:
    """A call that uses a reranker. A class, since a generator costs every request twice as much."""

    __slots__ = ("_held", "_slot")

    def __init__(self, slot: ModelSlot, held: _Held) -> None:
        self._slot = slot
        self._held = held

    def __enter__(self) -> "Reranker":
        self._held.num_calls += 1
        return self._held.reranker

    def __exit__(self, *_: object) -> None:
        self._slot.release(self._held)


def load_reranker(settings: Settings) -> "Reranker":
    """What the settings ask for. Raises what `Reranker` raises."""
    import torch

    from ..reranker import Reranker

    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    return Reranker(
        settings.model[0] if settings.model else None,
        revision=settings.revision,
        hub=settings.hub,
        device=settings.device,
        dtype=settings.dtype,
        max_length=settings.max_length,
        long_documents=settings.long_documents,
        prompt_form=settings.prompt_form,
        deterministic=settings.deterministic,
        parse_control_tokens=settings.parse_control_tokens,
        batch_tokens=settings.batch_tokens,
        trust_remote_code=settings.trust_remote_code,
        self_test=settings.self_test,
        calibration=settings.calibration,
    )


async def in_thread(function: Callable[[], T]) -> T:
    """`function` in a daemon thread: a download that hangs must not keep the process from ending, as a pool would."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # T may itself be None

    def run() -> None:
        result, failure = None, None
        try:
            result = function()
        except Exception as error:
            failure = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, name="finerank-load", daemon=True).start()
    return await future
