"""What MTEB is told of a model: enough that its cache never takes one model's results for another's."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Literal

from ..types import ModelInfo
from .frameworks import needed

try:
    from mteb.models.model_meta import ModelMeta, ScoringFunction
except ModuleNotFoundError as error:
    raise needed(error, "mteb") from None

if TYPE_CHECKING:
    from ..embedder import EmbedderInfo

_UNKNOWN: Final = dict.fromkeys(
    (
        "languages",
        "license",
        "memory_usage_mb",
        "n_parameters",
        "open_weights",
        "public_training_code",
        "public_training_data",
        "release_date",
        "training_datasets",
    )
)
"""Required by MTEB for its leaderboard, which finerank has nothing to say about."""


def model_meta(
    info: "ModelInfo | EmbedderInfo", kind: Literal["cross-encoder", "dense"], experiment: Mapping[str, Any]
) -> ModelMeta:
    """experiment: what else the scores depend on; None values are left out."""
    revision = info.revision if isinstance(info, ModelInfo) else None
    dimensions = None if isinstance(info, ModelInfo) else info.dimensions
    facts = {"fingerprint": info.fingerprint, **experiment}
    return ModelMeta(
        **_UNKNOWN,
        loader=None,
        name=_name(info.name),
        revision=revision or info.fingerprint,
        max_tokens=info.max_length or None,
        embed_dim=dimensions,
        framework=["PyTorch"],
        similarity_fn_name=None if dimensions is None else ScoringFunction.COSINE,
        use_instructions=info.default_instruction is not None,
        model_type=[kind],
        experiment_kwargs={name: value for name, value in facts.items() if value is not None},
    )


def experiment_name(value: Any) -> str | None:
    """8 hex digits for whatever JSON can say; None for nothing."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8] if value else None


def _name(name: str) -> str:
    """MTEB wants organisation/model: a hub id is that; a folder and the embedded model are finerank's."""
    is_hub_id = name.count("/") == 1 and not name.startswith(("/", ".", "~"))
    return name if is_hub_id else f"finerank/{PurePath(name).name}"
