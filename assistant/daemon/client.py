"""The command line's side of the daemon: find it, start it, talk to it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from assistant import __version__, paths, protocol, text
from assistant.daemon.lock import read_lock
from assistant.errors import RequestFailed
from assistant.rpc import server
from assistant.rpc.session import Session

_START_SECONDS = 20.0
_POLL_SECONDS = 0.05


async def try_connect() -> Session | None:
    """Returns a session with the daemon that runs, or None where none answers."""
    found = read_lock()
    if found is None:
        return None
    try:
        reader, writer = await server.connect(found.socket)
    except OSError:
        return None
    return Session(reader, writer, name="daemon")


def spawn(
    *, socket: Path | None = None, idle_minutes: int | None = None
) -> subprocess.Popen[bytes]:
    """Starts a daemon in a session of its own, its output in the log."""
    arguments = [sys.executable, "-m", "assistant", "serve", "--foreground"]
    if socket is not None:
        arguments += ["--socket", str(socket)]
    if idle_minutes is not None:
        arguments += ["--idle-minutes", str(idle_minutes)]
    env = dict(os.environ, PYTHONPATH=_import_path())
    if "ASSISTANT_HOME" in env:
        # The daemon runs in another directory, where a relative one would name another home.
        env["ASSISTANT_HOME"] = str(paths.data_dir().parent)
    paths.private_dir(paths.log_path().parent)
    with paths.log_path().open("ab") as log:
        return subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env=env,
        )


def _import_path() -> str:
    """Returns a PYTHONPATH with which the daemon imports this very package."""
    package_root = str(Path(__file__).resolve().parents[2])
    inherited = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    return os.pathsep.join(dict.fromkeys([package_root, *inherited]))


async def start(*, socket: Path | None = None, idle_minutes: int | None = None) -> Session:
    """Returns a session with the running daemon, starting one where none runs.

    Raises RequestFailed when the started one ends at once or does not answer in 20 seconds.
    """
    session = await try_connect()
    if session is not None:
        return session
    process = spawn(socket=socket, idle_minutes=idle_minutes)
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        session = await try_connect()
        if session is not None:
            return session
        # Ending with 0 means that another one was faster: go on until that one answers.
        if process.poll() not in (None, 0):
            break
        await asyncio.sleep(_POLL_SECONDS)
    raise RequestFailed("the daemon did not start.", hint=f"See {paths.log_path()}.")


@contextlib.asynccontextmanager
async def connected(root: Path | None = None) -> AsyncIterator[Session]:
    """Gives an initialized session with the daemon, which is started where none runs."""
    session = await start()
    serving = asyncio.create_task(session.run())
    try:
        await initialize(session, root)
        yield session
    finally:
        await session.close()
        await asyncio.wait({serving})


async def initialize(session: Session, root: Path | None = None) -> dict[str, Any]:
    params = protocol.InitializeParams(
        process_id=os.getpid(),
        client_info=protocol.ClientInfo(name="assistant-cli", version=__version__),
        protocol_version=protocol.VERSION,
        root_uri=text.path_to_uri(str(root)) if root else None,
    )
    result: dict[str, Any] = await session.call(protocol.Method.INITIALIZE, params.to_wire())
    session.notify(protocol.Method.INITIALIZED, {})
    return result
