"""What stands before all routes, the page's included: who may come in, a limit on bodies, hints for wrong paths.

Plain ASGI, so that answers stream and a hang-up is seen. The outermost layer is in watch.py.
"""

import base64
import binascii
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final
from urllib.parse import SplitResult, urlsplit

from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .dialect import PROBLEM, DialectTable
from .exchange import CALLER
from .keys import KeyRing, Quota
from .problems import Problem, ProblemError
from .watch import ApiPaths

_READ_ON: Final = 4
"""A body over the limit is read on (and thrown away) up to this many limits: a client reads no answer while it is
still writing."""
_BROWSER_ASKS: Final = {"WWW-Authenticate": 'Basic realm="finerank", charset="UTF-8"'}

Headers = Mapping[bytes, bytes]


class Doorkeeper:
    """Lets in who has a key, within its limits, and no web page of somebody else's.

    Without keys everybody on the machine's network may call, but not through a browser's back: a page from elsewhere
    that the user has open could otherwise use the server. Monitors' paths are open to all.
    """

    def __init__(
        self,
        app: ASGIApp,
        dialects: DialectTable,
        paths: ApiPaths,
        keys: KeyRing,
        quota: Quota | None,
        origins: "OriginRule",
    ) -> None:
        self._app = app
        self._dialects = dialects
        self._paths = paths
        self._keys = keys
        self._quota = quota
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (kind := self._paths.kind(scope["path"])) != "health":
            problem = self._why_not(scope, is_api=kind == "api")
            if problem is not None:
                return await self._dialects.answer(scope, problem)(scope, receive, send)
        await self._app(scope, receive, send)

    def _why_not(self, scope: Scope, *, is_api: bool) -> Problem | None:
        headers = dict(scope["headers"])
        if self._keys.is_empty:
            return self._origins.why_not(headers)
        problem = None
        caller = self._keys.name_of(_keys_sent(headers))
        if caller is None:
            caller = self._keys.name_of(_passwords_sent(headers))
            if caller is None:
                return _unauthorized(headers, is_api=is_api)
            # A browser sends a password along with whatever any page asks for; a key has to be put in by the caller.
            problem = self._origins.why_not(headers, has_password=True)
        scope.setdefault("state", {})[CALLER] = caller
        # What the page does for its user is a POST, too; its files are free.
        if problem is None and self._quota is not None and (is_api or scope["method"] == "POST"):
            return self._quota.why_not(caller)
        return problem


class OriginRule:
    """Which web pages may make a browser call this server: its own, and those of `allowed`.

    Only browsers send Origin, so programs pass. `Sec-Fetch-Site` is the browser's own word that page and server are
    one; it holds behind a proxy that changes Host, too. Older browsers: Origin and Host must name the same.

    A page can also give its own name this machine's address (DNS rebinding) and then is of one origin with us. So a
    server that listens on loopback answers browsers under this machine's names only; under https a rebound name has
    no certificate, so there the browser's word is enough.

    allowed: origins such as https://example.org, "*" for all.   host: address that the server listens on.
    """

    def __init__(self, allowed: Sequence[str], host: str) -> None:
        self._allowed = frozenset(origin.rstrip("/").lower().encode() for origin in allowed)
        self._own_host = host.lower() if _is_loopback(host.lower()) else None

    def why_not(self, headers: Headers, *, has_password: bool = False) -> Problem | None:
        """None if the request may pass.   has_password: it came with one, which no rebound name could have got."""
        origin = headers.get(b"origin")
        if origin is None or origin.lower() in self._allowed or b"*" in self._allowed:
            return None
        site = headers.get(b"sec-fetch-site")
        address = _address(origin)
        host = headers.get(b"host", b"").decode("latin-1").lower()
        is_own = site == b"same-origin" if site is not None else bool(host) and address.netloc == host
        if not is_own:
            return _forbidden(origin)
        is_certified = address.scheme == "https" and site is not None
        if self._own_host is None or has_password or is_certified or self._is_ours(host):
            return None
        return _forbidden(origin)

    def _is_ours(self, host: str) -> bool:
        name = _host_name(host)
        return name == self._own_host or _is_loopback(name)


class BodyLimit:
    """Refuses bodies of more than `max_bytes` with 413, announced or not, without keeping them."""

    def __init__(self, app: ASGIApp, max_bytes: int, dialects: DialectTable) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._dialects = dialects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if _announced_bytes(scope) > self._max_bytes:
            await self._throw_away(receive, 0)
            return await self._dialects.answer(scope, self._problem())(scope, receive, send)
        num_bytes = 0

        async def counted() -> Message:
            nonlocal num_bytes
            message = await receive()
            num_bytes += len(message.get("body", b""))
            if num_bytes > self._max_bytes:
                await self._throw_away(receive, num_bytes)
                raise ProblemError(self._problem())
            return message

        await self._app(scope, counted, send)

    async def _throw_away(self, receive: Receive, num_bytes: int) -> None:
        while num_bytes < _READ_ON * self._max_bytes:
            message = await receive()
            num_bytes += len(message.get("body", b""))
            if message["type"] != "http.request" or not message.get("more_body"):
                return

    def _problem(self) -> Problem:
        limit = f"{self._max_bytes:,} bytes"
        message = f"the body is larger than {limit}; send fewer documents at once, or raise --max-body-bytes"
        return Problem(413, "payload_too_large", message)


class PathHints:
    """Answers a path that does not exist with the one that was probably meant.

    paths: every path of the API with its methods. The page is mounted at the root and would answer with its own 404.
    """

    def __init__(self, app: ASGIApp, paths: Mapping[str, str], dialects: DialectTable) -> None:
        self._app = app
        self._paths = paths
        self._real = [path for path in paths if "{" not in path and not path.startswith("/docs/")]
        self._patterns = [(compile_path(path)[0], path) for path in paths if "{" in path]
        self._dialects = dialects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        is_replaced = False

        async def hinted(message: Message) -> None:
            nonlocal is_replaced
            if message["type"] == "http.response.start" and self._is_nobodys(scope, message["status"]):
                is_replaced = True
                problem = self._problem(scope["path"], scope["method"])
                await self._dialects.answer(scope, problem)(scope, receive, send)
            elif not is_replaced:
                await send(message)

        await self._app(scope, receive, hinted)

    def _is_nobodys(self, scope: Scope, status: int) -> bool:
        """Does no route answer this? A route may itself answer 404, of a model that is not served."""
        if status not in (404, 405) or PROBLEM in scope.get("state", {}):
            return False
        return status == 405 or scope["method"] not in self._methods(scope["path"])

    def _methods(self, path: str) -> str:
        """That the path takes; "" if there is no such path."""
        known = self._paths.get(path)
        if known is not None:
            return known
        return next((self._paths[template] for pattern, template in self._patterns if pattern.match(path)), "")

    def _problem(self, path: str, method: str) -> Problem:
        allowed = self._methods(path)
        if allowed:
            return Problem(405, "method_not_allowed", f"{path} takes {allowed}, not {method}", None, {"Allow": allowed})
        near = get_close_matches(path, self._real, n=1)
        hint = f"did you mean {near[0]}?" if near else "/docs has them all; ranking is POST /v1/rerank"
        return Problem(404, "not_found", f"there is no {path[:100]} here; {hint}")


def _announced_bytes(scope: Scope) -> int:
    value = dict(scope["headers"]).get(b"content-length", b"0")
    return int(value) if value.isdigit() else 0


def _keys_sent(headers: Headers) -> Iterator[bytes]:
    """Keys under every header that clients send them in."""
    scheme, _, value = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        yield value.strip()
    for name in (b"x-api-key", b"api-key"):
        if name in headers:
            yield headers[name]


def _passwords_sent(headers: Headers) -> Iterator[bytes]:
    """What a browser sends after asking its user; the user name does not matter."""
    scheme, _, value = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"basic":
        try:
            yield base64.b64decode(value.strip(), validate=True).partition(b":")[2]
        except binascii.Error:
            return


def _unauthorized(headers: Headers, *, is_api: bool) -> Problem:
    has_any = not headers.keys().isdisjoint((b"authorization", b"x-api-key", b"api-key"))
    message = "this API key is not known here" if has_any else "this server asks for an API key"
    message += "; send one as Authorization: Bearer KEY or X-API-Key: KEY"
    return Problem(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"} if is_api else _BROWSER_ASKS)


def _forbidden(origin: bytes) -> Problem:
    name = origin[:100].decode("latin-1")
    message = f"web pages of {name} may not call this server; if they should, start it with --cors-origins {name}"
    return Problem(403, "forbidden", message)


def _address(origin: bytes) -> SplitResult:
    try:
        return urlsplit(origin.decode("latin-1").lower())
    except ValueError:  # "http://[" and its like
        return urlsplit("")


def _host_name(host: str) -> str:
    """Without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_loopback(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
