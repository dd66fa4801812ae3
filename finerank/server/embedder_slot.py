"""`EmbedderSlot`: one embedding model of a server, loaded when it is first asked for.

Used from the event loop only; the loading itself runs in a thread of its own. It knows no HTTP.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from ..client.providers import without_provider
from ..errors import NotReadyError, UnknownModelError
from ..settings import Settings
from .admission import Admission
from .model_slot import in_thread

if TYPE_CHECKING:
    from ..embedder import Embedder

_log = logging.getLogger(__name__)


class EmbedderSlot:
    """Holds one embedder. Without one given, the first call loads it: a server that only ranks never does.

    wanted, load: another model than that of the settings, and what loads it, in a thread.
    on_loaded: called with the embedder once it is there.   admission: of its calls; it has a speed of its own.
    """

    def __init__(
        self,
        settings: Settings,
        embedder: "Embedder | None" = None,
        *,
        wanted: str | None = None,
        load: "Callable[[], Embedder] | None" = None,
    ) -> None:
        self.settings = settings
        self.wanted = wanted or settings.embedding_model or "the embedded model"
        self._open = load or (lambda: load_embedder(settings))
        self.admission = Admission(settings.max_queue_tokens)
        self.on_loaded: list[Callable[[Embedder], None]] = []
        self._embedder = embedder
        self._is_ours = embedder is None
        self._was_told = False
        self._loading: asyncio.Task[Embedder] | None = None

    @property
    def is_named(self) -> bool:
        """Do the settings name a model? Otherwise it is the embedded one."""
        return self.settings.embedding_model is not None

    @property
    def loaded(self) -> "Embedder | None":
        return self._embedder

    @property
    def num_bytes(self) -> int:
        """Of the loaded weights; 0 while there are none."""
        return 0 if self._embedder is None else self._embedder.model.num_bytes

    def may_be(self, name: str, *, is_default: bool) -> bool:
        """Might this be the model of that name? One that is not loaded yet is told by its name alone.

        is_default: it is the embedded one.
        """
        if self._embedder is not None:
            return True
        return _short(name) == _short(self.wanted) if self.is_named else is_default

    async def ready(self, name: str | None = None) -> "Embedder":
        """The embedder, loaded if need be.   name: of the model that the caller asks for.

        Raises UnknownModelError if the settings are strict and `name` is another one, NotReadyError if it cannot be
        loaded; the next call tries again.
        """
        if self._embedder is None:
            self._embedder = await self._load()
        if not self._was_told:
            self._was_told = True
            for listener in self.on_loaded:
                listener(self._embedder)
        if name is not None and self.settings.strict_model and not self._answers_to(name, self._embedder.info.name):
            raise UnknownModelError(
                f"embedding model {name[:100]!r} is not served here; served is {self._embedder.info.name}"
            )
        return self._embedder

    async def warm_up(self) -> None:
        """Loads a model that is named in the settings; what goes wrong is logged, and told to whoever asks for it."""
        if not self.is_named:
            return
        try:
            await self.ready()
        except NotReadyError as error:
            _log.error("%s", error)

    async def close(self) -> None:
        """Ends loading and closes what was loaded here."""
        if self._loading is not None:
            self._loading.cancel()
        if self._embedder is not None and self._is_ours:
            await asyncio.to_thread(self._embedder.close)

    async def _load(self) -> "Embedder":
        """Once for all who wait; one who stops waiting does not end it for the others."""
        if self._loading is None:
            self._loading = asyncio.get_running_loop().create_task(in_thread(self._open))
        loading = self._loading
        try:
            return await asyncio.shield(loading)
        except Exception as error:
            if self._loading is loading:
                self._loading = None
            raise NotReadyError(f"the embedding model {self.wanted} could not be loaded: {error}") from error

    def _answers_to(self, name: str, known: str) -> bool:
        return _short(name) in {_short(known), _short(self.wanted)}


def load_embedder(settings: Settings) -> "Embedder":
    """What the settings ask for. Raises what `Embedder` raises."""
    from ..embedder import Embedder
    from ..models.text_loading import is_remote

    name, dimensions = settings.embedding_model, settings.embedding_dimensions
    local = {} if name is not None and is_remote(name) else local_options(settings)
    return Embedder(name, dimensions=dimensions, **local)


def local_options(settings: Settings) -> dict[str, Any]:
    """Options of `Embedder` for a model that is computed here, whichever it is."""
    return {
        "hub": settings.hub,
        "device": settings.device,
        "dtype": settings.dtype,
        "max_length": settings.max_length,
        "parse_control_tokens": settings.parse_control_tokens,
        "deterministic": settings.deterministic,
        "batch_tokens": settings.batch_tokens,
        "trust_remote_code": settings.trust_remote_code,
    }


def _short(name: str) -> str:
    """Without the provider, the organisation or the folder, which callers leave out."""
    return PurePath(without_provider(name)).name.lower()
