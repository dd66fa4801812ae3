"""The line at the top that says which model is there, and the button that loads a better one."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import gradio as gr

from ..errors import FinerankError
from ..server.service import RerankService
from .parts import html
from .render import error_html, joined, model_html, status_html
from .texts import Language, language_of, say
from .words import Words

BETTER_MODEL: Final = "Qwen/Qwen3-Reranker-0.6B"


class ModelLine:
    """Follows what is loaded while something is being loaded, and not a moment longer."""

    def __init__(self, service: RerankService, words: Words) -> None:
        self._service = service
        self.line = html(elem_id="model")
        texts = {"value": lambda language: say(language, "model.better", model=BETTER_MODEL)}
        self.button = words.make(gr.Button, texts, size="sm", elem_id="better", visible=False)

    @property
    def outputs(self) -> list[Any]:
        return [self.line, self.button]

    async def load_better(self, spoken: str) -> AsyncIterator[tuple[str, Any]]:
        """Starts to load the better model, then shows how that goes."""
        if self._service.may_change_models:
            self._service.pool.default.change_to(BETTER_MODEL)
        async for shown in self.follow(spoken):
            yield shown

    async def follow(self, spoken: str) -> AsyncIterator[tuple[str, Any]]:
        """The model's line, until nothing is being loaded any more; and whether there is a better one to offer."""
        language = language_of(spoken)
        slot, seconds = self._service.pool.default, 0
        while slot.is_changing and not slot.is_closed:
            yield self._shown(language, seconds), gr.update(visible=False)
            await asyncio.sleep(1)
            seconds += 1
        yield self._shown(language, seconds), gr.update(visible=self._has_better())

    def _shown(self, language: Language, seconds: int) -> str:
        slot = self._service.pool.default
        try:
            info = slot.reranker.info
        except FinerankError as error:
            return status_html(str(error)) if slot.is_changing else error_html(str(error))
        line = model_html(language, info, BETTER_MODEL, may_change=self._service.may_change_models)
        if slot.change is None:
            return line
        if slot.change.error is not None:
            return joined(line, error_html(slot.change.error))
        return joined(line, status_html(say(language, "model.loading", model=slot.change.model, seconds=seconds)))

    def _has_better(self) -> bool:
        slot = self._service.pool.default
        return slot.is_ready and slot.reranker.info.is_default and self._service.may_change_models
