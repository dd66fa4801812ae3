"""API keys: whose key is it, and has it used up its minute? How a key comes with a request is in guards.py.

Only digests are kept and compared, all of them each time, so that neither a dump of the memory nor the time of an
answer tells a key.
"""

import hashlib
import hmac
import logging
import math
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from ..errors import SettingsError
from ..settings import Settings
from .problems import Problem
from .service import Answer, Call, Origin

_log = logging.getLogger(__name__)

_LINE: Final = re.compile(r"(?:(?P<name>[\w.@-]{1,64})=(?!=*$))?(?P<key>[!-~]+)", re.ASCII)
"""`name=key` or `key`. A key may end in `=`, as base64 does."""
_MINUTE_S: Final = 60


class NamedKey(NamedTuple):
    name: str
    digest: bytes


class KeyRing:
    """The keys of the settings and of a file, which is read again when it changes.

    A file that cannot be used any more changes nothing: the keys that were known stay, and the log says why.
    Raises SettingsError if the file or a key cannot be used at the start.
    """

    def __init__(self, given: Sequence[str] = (), file: Path | None = None) -> None:
        self._given = tuple(given)
        self._file = file
        self._stamp = self._file_stamp()
        self._keys = self._read()

    @property
    def is_empty(self) -> bool:
        """Are there no keys, so that anybody may call?"""
        return not self._keys

    def name_of(self, offered: Iterable[bytes]) -> str | None:
        """Of the first offered key that is known; None if none is."""
        self._read_again()
        for key in offered:
            digest = hashlib.sha256(key).digest()
            found = None
            for name, known in self._keys:
                if hmac.compare_digest(digest, known):
                    found = name
            if found is not None:
                return found
        return None

    def _read(self) -> list[NamedKey]:
        written = [] if self._file is None else list(_lines(self._file))
        if self._file is not None and not written:
            # Not "no keys, so anybody": the file may just be being written.
            raise SettingsError(f"{self._file} has no key; write one a line, as key or name=key")
        sources = [(entry, f"entry {number} of FINERANK_API_KEYS") for number, entry in enumerate(self._given, 1)]
        return _named([*sources, *written])

    def _read_again(self) -> None:
        stamp = self._file_stamp()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._keys = self._read()
            _log.info("%s has changed: %d keys are known now", self._file, len(self._keys))
        except SettingsError as error:
            _log.error("%s; the %d keys that were known stay in force", error, len(self._keys))

    def _file_stamp(self) -> tuple[int, int, int] | None:
        if self._file is None:
            return None
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


class Quota:
    """What each key may use in a minute. An Observer: what a call cost is known and charged when it is done.

    So a key can exceed its tokens by the calls that it has under way, and makes up for it by a longer wait.
    """

    def __init__(self, requests_per_minute: int | None, tokens_per_minute: int | None) -> None:
        self._storage = MemoryStorage()
        self._requests = MovingWindowRateLimiter(self._storage)
        self._request_limit = _per_minute(requests_per_minute, "requests")
        self._token_limit = _per_minute(tokens_per_minute, "tokens")

    def why_not(self, caller: str) -> Problem | None:
        """Counts a request, or says why it may not be made now."""
        if self._token_limit is not None:
            wait_s = self._token_wait_s(self._token_limit, caller)
            if wait_s > 0:
                return _problem(caller, f"{self._token_limit.amount:,} tokens", wait_s)
        if self._request_limit is not None and not self._requests.hit(self._request_limit, caller):
            start, _ = self._storage.get_moving_window(
                self._request_limit.key_for(caller), self._request_limit.amount, _MINUTE_S
            )
            wait_s = start + _MINUTE_S - time.time()
            return _problem(caller, f"{self._request_limit.amount:,} requests", wait_s)
        return None

    def answered(self, origin: Origin, call: Call, answer: Answer) -> None:
        tokens = answer.facts.usage.prompt_tokens
        if self._token_limit is not None and origin.caller is not None and tokens:
            key = self._token_limit.key_for(origin.caller)
            # The limit is checked before a call, not here: what was used counts in full.
            self._storage.acquire_sliding_window_entry(key, sys.maxsize, _MINUTE_S, tokens)

    def failed(self, origin: Origin, call: Call, error: BaseException) -> None:
        """Costs nothing."""

    def _token_wait_s(self, limit: RateLimitItemPerMinute, caller: str) -> float:
        """Until the sliding window has room again.

        The window is the current minute and the share of the one before that it still reaches into; both ends in
        seconds: previous_s until the former is left behind, current_s until the current one begins to be.
        """
        previous, previous_s, current, current_s = self._storage.get_sliding_window(limit.key_for(caller), _MINUTE_S)
        if previous * previous_s / _MINUTE_S + current < limit.amount:
            return 0.0
        if current < limit.amount:
            return previous_s - (limit.amount - current) * _MINUTE_S / previous
        return current_s - limit.amount * _MINUTE_S / current


def key_ring(settings: Settings) -> KeyRing:
    """Raises SettingsError, also for limits on keys that are not there."""
    keys = KeyRing(settings.api_keys, settings.api_keys_file)
    if keys.is_empty and (settings.key_requests_per_minute or settings.key_tokens_per_minute):
        raise SettingsError("limits for each key need keys: name a file with --api-keys-file, or set FINERANK_API_KEYS")
    return keys


def _per_minute(amount: int | None, what: str) -> RateLimitItemPerMinute | None:
    return None if amount is None else RateLimitItemPerMinute(amount, namespace=what)


def _problem(caller: str, limit: str, wait_s: float) -> Problem:
    seconds = max(1, math.ceil(wait_s))
    message = f"the key {caller} has used its {limit} of this minute; try again in {seconds} s"
    return Problem(429, "rate_limited", message, headers={"Retry-After": str(seconds)})


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    """Entries of a file of keys, each with where it stands. Raises SettingsError."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SettingsError(f"--api-keys-file: {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"--api-keys-file: {file} is not text in UTF-8") from None
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.strip()
        if entry and not entry.startswith("#"):
            yield entry, f"line {number} of {file}"


def _named(entries: Iterable[tuple[str, str]]) -> list[NamedKey]:
    """Keys with a name each. A name may have several keys, so that one can be exchanged. Never quotes a key."""
    keys: list[NamedKey] = []
    places: dict[bytes, str] = {}
    num_unnamed = 0
    for entry, place in entries:
        match = _LINE.fullmatch(entry)
        if match is None:
            raise SettingsError(f"{place} is no key; write key or name=key, printable ASCII without spaces")
        digest = hashlib.sha256(match["key"].encode()).digest()
        if digest in places:
            raise SettingsError(f"{place} repeats the key of {places[digest]}; a key belongs to one name")
        places[digest] = place
        num_unnamed += match["name"] is None
        keys.append(NamedKey(match["name"] or f"key-{num_unnamed}", digest))
    return keys
