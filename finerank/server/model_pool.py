"""`ModelPool`: the models of one server by name, loaded when asked for and put away under a memory bound.

Used from the event loop only. It knows no HTTP.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Final, Self

from ..engine.stores import open_cache
from ..errors import InputError, NotReadyError, OverloadedError, UnknownModelError
from ..settings import Settings
from .model_slot import ModelSlot

if TYPE_CHECKING:
    from ..embedder import Embedder
    from ..reranker import Reranker
    from .embedder_slot import EmbedderSlot

EMBEDDED: Final = "embedded"
_SPEC: Final = re.compile(r"(?:(?P<alias>[\w.-]+)=)?(?P<model>.+?)(?:@(?P<dtype>\w+))?")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """`[NAME=]MODEL[@DTYPE]`: what to load, and the name under which it is served.

    model: hub id or folder, None = the embedded one.   dtype: None = the settings'.
    """

    name: str
    model: str | None
    dtype: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        match = _SPEC.fullmatch(text.strip())
        if match is None:
            raise InputError(f"{text!r} is no model; give [NAME=]MODEL[@DTYPE]")
        model, dtype = match["model"], match["dtype"]
        name = match["alias"] or (f"{model}@{dtype}" if dtype else model)
        return cls(name, None if model == EMBEDDED else model, dtype)

    def settings(self, settings: Settings, *, is_first: bool) -> Settings:
        """Those of the server with this model in them; a revision and a calibration belong to the first."""
        changes: dict[str, object] = {"model": None if self.model is None else (self.model,)}
        if self.dtype is not None:
            changes["dtype"] = self.dtype
        if not is_first:
            changes |= {"revision": None, "calibration": None}
        return settings.model_copy(update=changes)


class ModelPool:
    """The first model answers whoever names none; with a single one, whoever names any (unless `strict_model`).

    slots: name -> slot, in the order of the settings, then those added while serving.
    embedders: embedding models beside them. Their weights count under the bound, and are not put away.
    on_loaded: called with every reranker that takes a slot, and with every embedder.
    result_cache: one for all models, None = off.
    """

    def __init__(self, settings: Settings, reranker: "Reranker | None" = None) -> None:
        self.settings = settings
        self.on_loaded: list[Callable[[Reranker | Embedder], None]] = []
        self.embedders: list[EmbedderSlot] = []
        self.result_cache = open_cache(settings.result_cache, settings.result_cache_mb << 20)
        specs = [ModelSpec.parse(text) for text in settings.model or (EMBEDDED,)]
        self.slots: dict[str, ModelSlot] = {}
        for index, spec in enumerate(specs):
            given = reranker if index == 0 else None
            wanted = spec.settings(settings, is_first=index == 0)
            self.slots[spec.name] = ModelSlot(wanted, given, name=spec.name, on_put=self._tell_loaded)
        self._loading = asyncio.Lock()
        self._tasks: set[asyncio.Task[bool]] = set()

    @property
    def default(self) -> ModelSlot:
        return next(iter(self.slots.values()))

    def is_named(self, name: str | None, slot: ModelSlot) -> bool:
        """Does `name` mean this very model, or does it only stand in for one that is not served?

        Not by "embedded", which the page sends for the model that nobody named.
        """
        if name is None or name == EMBEDDED:
            return False
        names = {_short(slot.name), _short(slot.reranker.info.name)}
        return _short(name) in names

    @property
    def loaded(self) -> list[ModelSlot]:
        return [slot for slot in self.slots.values() if slot.is_ready]

    def slot_of(self, name: str | None) -> ModelSlot:
        """The slot that answers a request for `name`: exact, by the last part of a path, or the only one.

        Raises UnknownModelError naming those that are served.
        """
        if name is None:
            return self.default
        if name in self.slots:
            return self.slots[name]
        near = [slot for known, slot in self.slots.items() if _short(known) == _short(name) or slot.answers_to(name)]
        if len(near) == 1:
            return near[0]
        if len(self.slots) == 1 and not self.settings.strict_model:
            return self.default
        served = ", ".join(self.slots)
        raise UnknownModelError(f"model {name[:100]!r} is not served here; served are {served}")

    async def ready_slot(self, name: str | None = None) -> ModelSlot:
        """The slot of that name, its model loaded if need be.

        Raises NotReadyError, UnknownModelError, OverloadedError (no memory while the others are in use), ModelError.
        """
        slot = self.slot_of(name)
        if not slot.is_ready:
            await self._bring(slot)
        return slot

    async def load(self) -> None:
        """Loads the first model; what goes wrong is kept in its slot's `failure`. The others load on demand."""
        await self.default.load()

    async def put(self, spec: ModelSpec) -> ModelSlot:
        """Loads `spec` beside the others; one of the same name is replaced once the new one is there (hot swap).

        Raises what `Reranker` raises; the old one goes on answering then.
        """
        slot = self.slots.get(spec.name)
        settings = spec.settings(self.settings, is_first=False)
        if slot is None:
            slot = ModelSlot(settings, name=spec.name, on_put=self._tell_loaded)
            async with self._loading:
                await self._make_room(slot)
                await slot.load()
                await self._put_away_surplus(slot)
            if slot.failure is not None:
                raise slot.failure
            self.slots[spec.name] = slot
        else:
            await slot.replace(settings)
        return slot

    async def drop(self, name: str) -> None:
        """Takes a model away; calls that use it end first. Raises UnknownModelError, InputError for the first one."""
        if name not in self.slots:
            raise UnknownModelError(f"model {name[:100]!r} is not served here; served are {', '.join(self.slots)}")
        if self.slots[name] is self.default:
            raise InputError(f"{name} is the server's first model and stays; stop the server to be rid of it")
        slot = self.slots.pop(name)
        await slot.close()

    def add_embedder(self, slot: "EmbedderSlot") -> None:
        """Counts it from now on; whoever makes it closes it."""
        self.embedders.append(slot)
        slot.on_loaded.append(self._embedder_loaded)

    async def close(self) -> None:
        for slot in list(self.slots.values()):
            await slot.close()
        if self.result_cache is not None:
            self.result_cache.close()

    def _tell_loaded(self, reranker: "Reranker") -> None:
        reranker.result_cache = self.result_cache
        for listener in self.on_loaded:
            listener(reranker)

    def _embedder_loaded(self, embedder: "Embedder") -> None:
        for listener in self.on_loaded:
            listener(embedder)
        if self.settings.max_model_memory is not None:
            task = asyncio.get_running_loop().create_task(self._put_away(None, 0))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _bring(self, slot: ModelSlot) -> None:
        """Loads a model on demand; the first one is being loaded anyway and says so."""
        if slot is self.default and not slot.was_unloaded:
            raise NotReadyError(slot.why_not())
        async with self._loading:
            if slot.is_ready:
                return
            await self._make_room(slot)
            await slot.load()
            await self._put_away_surplus(slot)
        if slot.failure is not None:
            failure, slot.failure = slot.failure, None
            raise NotReadyError(f"{slot.wanted} could not be loaded: {failure}")

    async def _make_room(self, wanted: ModelSlot) -> None:
        """Puts away idle models until `wanted` fits under the bound, as far as its size is known beforehand."""
        if not await self._put_away(wanted, wanted.expected_bytes):
            raise OverloadedError(
                f"{wanted.wanted} does not fit beside the models in use under --max-model-memory "
                f"{self.settings.max_model_memory:g} GiB; try again, or raise it",
                retry_after_s=5,
            )

    async def _put_away_surplus(self, loaded: ModelSlot) -> None:
        """A model of a hub shows its size only once it is loaded."""
        await self._put_away(loaded, loaded.num_bytes)

    async def _put_away(self, kept: ModelSlot | None, num_bytes: int) -> bool:
        """Unloads idle models, the longest unused first, until the others leave room for `kept`. Do they?"""
        if self.settings.max_model_memory is None:
            return True
        limit = self.settings.max_model_memory * 2**30 - sum(slot.num_bytes for slot in self.embedders)
        while others := [slot for slot in self.loaded if slot is not kept]:
            if sum(slot.num_bytes for slot in others) + num_bytes <= limit:
                return True
            idle = [slot for slot in others if not slot.is_busy]
            if not idle:
                return False
            await min(idle, key=lambda slot: slot.used_at).unload()
        return True


def _short(name: str) -> str:
    return PurePath(name).name.lower()
