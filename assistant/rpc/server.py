"""A unix socket server for one user, and the client's side of connecting to it."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from assistant.rpc import framing

log = logging.getLogger(__name__)

Accept = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def serve(path: Path, accept: Accept) -> asyncio.AbstractServer:
    """Listens on ``path`` (0600) and calls ``accept`` for each connection of this user.

    Whatever file stands there is replaced: the caller holds the lock that makes this right.
    """
    path.unlink(missing_ok=True)

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        uid = peer_uid(writer.get_extra_info("socket"))
        if uid is not None and uid != os.getuid():
            log.warning("refused a connection of user %d", uid)
            writer.close()
            return
        await accept(reader, writer)

    mask = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(
            guarded, path=str(path), limit=framing.MAX_LINE_BYTES
        )
    finally:
        os.umask(mask)


async def connect(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connects to a daemon's socket. Raises OSError where none listens."""
    return await asyncio.open_unix_connection(str(path), limit=framing.MAX_LINE_BYTES)


def peer_uid(connection: socket.socket) -> int | None:
    """Returns the user id at the other end, or None where the system does not tell."""
    if sys.platform == "linux":
        size = struct.calcsize("3i")
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        return int(struct.unpack("3i", raw)[1])
    return None
