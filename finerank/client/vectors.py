"""What an embeddings API of OpenAI's shape answered, checked: each text has one vector, or a reason why not."""

import base64
import binascii
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..scores import FloatArray
from .answers import UnusableAnswerError
from .failures import said_by


@dataclass(slots=True)
class Vectors:
    """vectors: (N, D) fp32 in the order of the texts; a row of NaN for a text without one.   errors: why it has none.

    prompt_tokens: as the provider counted, 0 if it did not tell.   model: who answered, as it says.
    """

    vectors: FloatArray
    errors: dict[int, str] = field(default_factory=dict)
    prompt_tokens: int = 0
    model: str | None = None


def read_vectors(body: Any, num_texts: int) -> Vectors:
    """Raises UnusableAnswerError unless every text got one vector, all of one length, or an error of its own."""
    errors = _errors(body, num_texts)
    rows: dict[int, FloatArray] = {}
    for position, item in enumerate(_data(body)):
        where = f"data[{position}]"
        index = _index(item, position, where, num_texts)
        if index in rows:
            raise UnusableAnswerError(f"{where} has index {index}, which another one has already")
        if index not in errors:
            rows[index] = _vector(item, where)
    lengths = {len(row) for row in rows.values()}
    if len(lengths) > 1:
        raise UnusableAnswerError(f"its vectors have different lengths: {', '.join(map(str, sorted(lengths)))}")
    missing = [index for index in range(num_texts) if index not in rows and index not in errors]
    if missing:
        raise UnusableAnswerError(
            f"{num_texts} texts were sent and {len(rows)} vectors came back; the first without one is {missing[0]}"
        )
    vectors = np.full((num_texts, lengths.pop() if lengths else 0), math.nan, dtype=np.float32)
    for index, row in rows.items():
        vectors[index] = row
    usage = body.get("usage") if isinstance(body, dict) else None
    counted = usage.get("prompt_tokens", usage.get("total_tokens")) if isinstance(usage, dict) else 0
    model = body.get("model") if isinstance(body, dict) else None
    return Vectors(
        vectors,
        errors,
        counted if isinstance(counted, int) and counted > 0 else 0,
        model if isinstance(model, str) and model else None,
    )


def _data(body: Any) -> list[Any]:
    data = body.get("data") if isinstance(body, dict) else None
    if isinstance(data, list):
        return data
    said = said_by(body) if isinstance(body, dict) else ""
    raise UnusableAnswerError(
        f"it has no list of vectors, but says: {said}"
        if said
        else "it has no list of vectors; is base_url the address of an embeddings API?"
    )


def _errors(body: Any, num_texts: int) -> dict[int, str]:
    """finerank's texts without a vector."""
    listed = body.get("errors") if isinstance(body, dict) else None
    found: dict[int, str] = {}
    for item in listed if isinstance(listed, list) else []:
        index = item.get("index") if isinstance(item, dict) else None
        if isinstance(index, int) and 0 <= index < num_texts:
            message = item.get("message")
            found[index] = (
                message if isinstance(message, str) and message else "the server gave no vector and no reason"
            )
    return found


def _index(item: Any, position: int, where: str, num_texts: int) -> int:
    """A server that tells none keeps the order."""
    index = item.get("index", position) if isinstance(item, dict) else None
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < num_texts:
        raise UnusableAnswerError(f"{where} has no index from 0 to {num_texts - 1}")
    return index


def _vector(item: Any, where: str) -> FloatArray:
    """A list of numbers, or base64 of little-endian fp32."""
    given = item.get("embedding")
    if isinstance(given, str):
        try:
            row = np.frombuffer(base64.b64decode(given, validate=True), dtype="<f4").astype(np.float32)
        except (binascii.Error, ValueError):
            raise UnusableAnswerError(f"{where}.embedding is no base64 of 32-bit numbers") from None
    else:
        row = _numbers(given, where)
    if not len(row):
        raise UnusableAnswerError(f"{where}.embedding is empty")
    if not np.isfinite(row).all():
        raise UnusableAnswerError(f"{where}.embedding holds what is no finite number")
    return row


def _numbers(given: Any, where: str) -> FloatArray:
    try:
        row = np.asarray(given)
    except (ValueError, OverflowError):
        row = np.asarray(None)
    if not isinstance(given, list) or row.ndim != 1 or row.dtype.kind not in "fi":
        raise UnusableAnswerError(f"{where}.embedding is no list of numbers")
    return row.astype(np.float32)
