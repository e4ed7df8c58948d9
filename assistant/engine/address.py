"""Addresses of engines: what a person may write, and whether it stays on this machine. Pure."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from assistant.errors import RemoteForbidden, RequestFailed

OLLAMA_PORT = 11434
_DEFAULT_PORTS = {"http": 80, "https": 443}


def normalize(address: str | None, *, default_port: int = OLLAMA_PORT) -> str:
    """Returns ``scheme://host:port[/path]`` for anything that OLLAMA_HOST may hold.

    A bare host, a bare port, ``:port``, a scheme and a trailing path are legal. The addresses that
    a server listens on everywhere (0.0.0.0 and ::) mean loopback to a client. Raises RequestFailed
    for what is no address.
    """
    text = (address or "").strip().strip("\"'")
    if text.isdigit():
        text = f":{text}"
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "http", text
    if scheme not in _DEFAULT_PORTS:
        raise _bad(address)
    if rest.count(":") > 1 and "[" not in rest:
        rest = f"[{rest}]"
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _bad(address) from None
    if any(c.isspace() for c in host):
        raise _bad(address)
    if port is None:
        port = _DEFAULT_PORTS[scheme] if separator else default_port
    path = parts.path.rstrip("/")
    return f"{scheme}://{_client_host(host)}:{port}{path}"


def _client_host(host: str) -> str:
    if not host:
        return "127.0.0.1"
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return host
    if ip.is_unspecified:
        return "127.0.0.1" if ip.version == 4 else "[::1]"
    return f"[{ip}]" if ip.version == 6 else str(ip)


def is_loopback(url: str) -> bool:
    """Says whether a normalized address stays on this machine, without asking a name server."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)
    return (mapped or ip).is_loopback


def require_local(url: str, *, allow_remote: bool) -> str:
    """Returns ``url``, or raises RemoteForbidden where it leaves this machine unasked."""
    if allow_remote or is_loopback(url):
        return url
    raise RemoteForbidden(f"{urlsplit(url).netloc} is not on this machine.")


def _bad(address: str | None) -> RequestFailed:
    return RequestFailed(
        f"{address!r} is no address of an engine.",
        hint="Write it as host:port, for example 127.0.0.1:11434.",
    )
