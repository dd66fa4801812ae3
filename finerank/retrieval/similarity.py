"""How alike texts are: the share of their shingles (runs of words) that they have in common.

Broder, "On the resemblance and containment of documents" (1997). Characters of scripts without spaces count as words.
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..scores import FloatArray
from .letters import SPACELESS

_WORD: Final = re.compile(r"\w+")
_WORD_OR_CHARACTER: Final = re.compile(rf"[{SPACELESS}]|[^\W{SPACELESS}]+")
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
"""2**64 / the golden ratio, odd (Knuth, The Art of Computer Programming 3, section 6.4)."""


def words_of(text: str) -> list[str]:
    """Words in lower case, and single characters of scripts that put no spaces between words."""
    if text.isascii():
        return _WORD.findall(text.lower())
    return _WORD_OR_CHARACTER.findall(unicodedata.normalize("NFKC", text).casefold())


def shingle_similarity(words: Sequence[Sequence[str]], size: int) -> FloatArray:
    """Jaccard similarity of every two texts over runs of `size` words, (N, N) fp32 in [0, 1], 1 on the diagonal.

    words: of each text, see `words_of`. A text of fewer words is one run; one without words is like no other.
    """
    rows, columns, counts = _incidence(words, size)
    common = _common(rows, columns, len(words))
    union = counts[:, None] + counts[None, :] - common
    similarity: FloatArray = np.divide(common, union, out=np.zeros_like(common), where=union > 0)
    np.fill_diagonal(similarity, 1.0)
    return similarity


def _incidence(words: Sequence[Sequence[str]], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """(text, shingle) of every pair that occurs, and the number of shingles of each text."""
    lengths = np.array([len(each) for each in words], dtype=np.int64)
    flat = np.fromiter(map(hash, chain.from_iterable(words)), np.int64, lengths.sum()).view(np.uint64)
    owner = np.repeat(np.arange(len(words)), lengths)
    left = lengths.cumsum()[owner] - np.arange(len(flat))  # words from here to the end of the text, this one included
    # A text shorter than a run has one, at its first word; the words that it lacks are 0.
    is_start = (left >= size) | ((lengths[owner] < size) & (left == lengths[owner]))
    shingles = np.zeros(len(flat), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for step in range(size):
            following = np.zeros(len(flat), dtype=np.uint64)
            following[: max(0, len(flat) - step)] = flat[step:]
            following[left <= step] = 0
            shingles = (shingles ^ (shingles >> np.uint64(29)) ^ following) * _MULTIPLIER
    rows, columns = _distinct(owner[is_start], shingles[is_start], len(words))
    return rows, columns, np.bincount(rows, minlength=len(words)).astype(np.float32)


def _distinct(
    owner: NDArray[np.int64], shingles: NDArray[np.uint64], num_texts: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each (text, shingle) once, shingles as 0, 1, ... Packed into one number: numpy sorts those fastest."""
    bits = np.uint64(max(1, num_texts - 1).bit_length())
    pairs = np.sort((shingles >> bits << bits) | owner.astype(np.uint64))
    pairs = pairs[np.diff(pairs, prepend=~pairs[:1]) != 0]
    names = pairs >> bits
    columns = np.cumsum(np.diff(names, prepend=names[:1]) != 0)
    return (pairs & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64), columns


def _common(rows: NDArray[np.int64], columns: NDArray[np.int64], num_texts: int) -> FloatArray:
    """How many shingles every two texts share, (N, N).

    Shingles of many texts (a shared form, a boilerplate) are multiplied as a dense matrix: sparse products grow with
    the square of how many texts have one.
    """
    from scipy.sparse import csr_array  # of the extra `models`

    frequency = np.bincount(columns)
    many = max(32, num_texts // 8)
    common = np.zeros((num_texts, num_texts), dtype=np.float32)
    is_rare = (frequency[columns] > 1) & (frequency[columns] <= many)
    if is_rare.any():
        ones = np.ones(int(is_rare.sum()), dtype=np.float32)
        rare = csr_array((ones, (rows[is_rare], columns[is_rare])), shape=(num_texts, len(frequency)))
        common += (rare @ rare.T).toarray()
    is_frequent = frequency[columns] > many
    if is_frequent.any():
        names, places = np.unique(columns[is_frequent], return_inverse=True)
        dense = np.zeros((num_texts, len(names)), dtype=np.float32)
        dense[rows[is_frequent], places] = 1.0
        common += dense @ dense.T
    return common
