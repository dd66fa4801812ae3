"""How dialects spell the cost of an answer, and its id."""

import random
import uuid

from typing_extensions import TypedDict

from .endpoint import Answered


class Usage(TypedDict):
    """As OpenAI does."""

    prompt_tokens: int
    total_tokens: int


class TotalUsage(TypedDict):
    total_tokens: int


class TokenPair(TypedDict):
    """As Cohere does. Nothing is generated."""

    input_tokens: int
    output_tokens: int


class DocumentText(TypedDict):
    """How most dialects repeat a document."""

    text: str


def new_id() -> str:
    """32 hex digits. Nobody's secret, so no system call for each."""
    return f"{random.getrandbits(128):032x}"


def new_uuid() -> str:
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def usage(answered: Answered) -> Usage:
    return {"prompt_tokens": answered.tokens, "total_tokens": answered.tokens}


def token_pair(answered: Answered) -> TokenPair:
    return {"input_tokens": answered.tokens, "output_tokens": 0}
