"""A ranking as plain records, for JSON and CSV. What has no value has no key; NaN never appears."""

from typing import Any

from .types import AnswerFacts, RankedDocument


def facts_record(facts: AnswerFacts) -> dict[str, Any]:
    model, usage = facts.model, facts.usage
    return {
        "model": model.name,
        **({"revision": model.revision} if model.revision else {}),
        "fingerprint": model.fingerprint,
        "dtype": model.dtype,
        "device": model.device,
        "instruction": facts.instruction,
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "computed_tokens": usage.computed_tokens,
            "cached_tokens": usage.cached_tokens,
        },
        "seconds": round(facts.seconds, 6),
    }


def result_record(ranked: RankedDocument, original: Any) -> dict[str, Any]:
    record: dict[str, Any] = {"index": ranked.index}
    if ranked.error is None:
        record |= {"score": shortest(ranked.score), "log_odds": shortest(ranked.log_odds)}
    record |= {
        "num_tokens": ranked.num_tokens,
        "is_truncated": ranked.is_truncated,
        "is_blank": ranked.is_blank,
    }
    if ranked.window is not None:
        record["window"] = list(ranked.window)
    if ranked.error is not None:
        record["error"] = ranked.error
    return record | {"document": original}


def shortest(number: float) -> float:
    """The same fp32 number in nine digits instead of the seventeen of its fp64 neighbour."""
    return float(f"{number:.9g}")
