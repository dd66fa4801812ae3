"""The order of a run as trec_eval sees it. Everything here that cuts, fuses or compares rankings uses this order."""

from collections.abc import Mapping

import numpy as np

from ..scores import FloatArray


def ranked(scores: Mapping[str, float]) -> list[str]:
    """Document ids, best first: by score as fp32, then by id descending, bytewise (trec_eval 9, form_res_rels.c)."""
    ids = sorted(scores, reverse=True)
    values = np.array([scores[each] for each in ids], dtype=np.float32)
    return [ids[position] for position in np.argsort(-values, kind="stable")]


def descending_places(ids: list[str]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """(N,) the place of each id when they are sorted descending: what breaks ties."""
    places = np.empty(len(ids), dtype=np.int64)
    places[sorted(range(len(ids)), key=ids.__getitem__, reverse=True)] = np.arange(len(ids))
    return places


def best(
    scores: FloatArray, places: np.ndarray[tuple[int], np.dtype[np.int64]], num: int
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Positions of the `num` largest of (N,) fp32 scores, best first; ties, also at the cut, by `places`.

    A score of -inf is no result.
    """
    if num < len(scores):
        threshold = np.partition(scores, -num)[-num]
        chosen = np.flatnonzero((scores >= threshold) & (scores > -np.inf))
    else:
        chosen = np.flatnonzero(scores > -np.inf)
    order = np.lexsort((places[chosen], -scores[chosen]))
    return chosen[order][:num]
