"""HTTP to an engine on this machine: no proxies, no redirects, every wait bounded."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx

_SEPARATORS = re.compile(rb"\xc2\x85|\xe2\x80[\xa8\xa9]")
_ESCAPES = {b"\xc2\x85": b"\\u0085", b"\xe2\x80\xa8": b"\\u2028", b"\xe2\x80\xa9": b"\\u2029"}
_BEGINNINGS = (b"\xe2\x80", b"\xc2", b"\xe2")


@dataclass(frozen=True)
class Timeouts:
    """Bounds each wait of a request, in milliseconds.

    ``first_byte_ms`` covers loading the model and reading the prompt, ``idle_ms`` the gap between
    two pieces of a stream, ``quick_ms`` a whole question about models or state.
    """

    connect_ms: int = 1_000
    quick_ms: int = 5_000
    first_byte_ms: int = 300_000
    idle_ms: int = 60_000

    def quick(self) -> httpx.Timeout:
        return httpx.Timeout(self.quick_ms / 1000, connect=self.connect_ms / 1000)

    def generation(self) -> httpx.Timeout:
        return httpx.Timeout(
            self.first_byte_ms / 1000, connect=self.connect_ms / 1000, write=self.quick_ms / 1000
        )


class LineSafeTransport(httpx.AsyncBaseTransport):
    """Sends requests, and escapes in JSON answers the characters that end a line for Python only.

    The ``ollama`` client splits its stream with ``str.splitlines``, which also splits at U+0085,
    U+2028 and U+2029; Go's encoder leaves the first of them as it is. Once the headers of an
    answer are there, the shorter ``idle_ms`` holds for its body.
    """

    def __init__(self, timeouts: Timeouts, *, uds: str | None = None) -> None:
        self._inner = httpx.AsyncHTTPTransport(trust_env=False, retries=0, uds=uds)
        self._idle_s = timeouts.idle_ms / 1000

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        waits = request.extensions.get("timeout")
        if isinstance(waits, dict) and (waits.get("read") or 0) > self._idle_s:
            waits["read"] = self._idle_s
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _LineSafeStream(response.stream)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _LineSafeStream(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        held = b""
        async for chunk in self._inner:
            chunk = held + chunk
            held = next((b for b in _BEGINNINGS if chunk.endswith(b)), b"")
            safe = escape_separators(chunk[: len(chunk) - len(held)])
            if safe:
                yield safe
        if held:
            yield held

    async def aclose(self) -> None:
        await self._inner.aclose()


def escape_separators(raw: bytes) -> bytes:
    """Writes U+0085, U+2028 and U+2029 as JSON escapes; they occur inside JSON strings only."""
    return _SEPARATORS.sub(lambda match: _ESCAPES[match[0]], raw)


def http_client(base_url: str, timeouts: Timeouts, *, uds: str | None = None) -> httpx.AsyncClient:
    """Returns a client that ignores HTTP_PROXY, follows no redirect and waits for nothing for ever."""
    return httpx.AsyncClient(
        base_url=base_url,
        transport=LineSafeTransport(timeouts, uds=uds),
        timeout=timeouts.quick(),
        follow_redirects=False,
        trust_env=False,
        headers={"Accept-Encoding": "identity"},
    )
