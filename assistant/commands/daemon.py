"""serve, status, stop, config."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from assistant.commands.common import connected, current_root, print_json, run
from assistant.daemon import client
from assistant.daemon.lock import read_lock
from assistant.errors import Busy
from assistant.protocol import Method


def serve(socket: Path | None, idle_minutes: int | None, foreground: bool) -> None:
    socket = socket.absolute() if socket is not None else None
    if not foreground:
        run(_serve_in_background(socket, idle_minutes))
        return
    from assistant.daemon import app

    try:
        app.main(socket, idle_minutes)
    except Busy as error:
        print(f"assistant: {error.message}", file=sys.stderr)


async def _serve_in_background(socket: Path | None, idle_minutes: int | None) -> None:
    session = await client.try_connect()
    was_running = session is not None
    if session is None:
        session = await client.start(socket=socket, idle_minutes=idle_minutes)
    await session.close()
    found = read_lock()
    if found is not None:
        state = "already runs" if was_running else "started"
        print(f"daemon {state} (pid {found.pid}) on {found.socket}")


def status(as_json: bool) -> None:
    run(_status(as_json))


async def _status(as_json: bool) -> None:
    root = current_root(None)
    async with connected(root) as session:
        found = await session.call(Method.STATUS)
    if as_json:
        print_json(found)
        return
    engine = found["engine"]
    state = "answers" if engine["reachable"] else "does not answer"
    print(f"daemon   {found['version']}, pid {found['pid']}, {found['clients']} client(s)")
    print(f"socket   {found['socket']}")
    print(f"engine   {engine['name']} {engine['version']} {state} {engine['detail']}".rstrip())
    for role, model in found["roles"].items():
        print(f"  {role:<12} {model or 'none'}")
    print(f"tier     {found['hardwareTier']}")
    latency = found["latencyMs"]
    if latency["p50"] >= 0:
        print(f"latency  {latency['p50']:.0f} ms (p50), {latency['p95']:.0f} ms (p95)")
    for index in found["index"]:
        print(f"index    {_describe(index)}")
    for warning in found["warnings"]:
        print(f"warning  {warning}")


def _describe(index: dict[str, Any]) -> str:
    if index["state"] == "none":
        return f"{index['root']}: none yet; run 'assistant index'"
    counts = f"{index['files']} files, {index['chunks']} chunks, {index['vectors']} vectors"
    return f"{index['root']}: {index['state']}, {counts}"


def stop() -> None:
    run(_stop())


async def _stop() -> None:
    session = await client.try_connect()
    if session is None:
        print("no daemon runs")
        return
    await session.close()
    async with connected() as session:
        await session.call(Method.STOP)
    print("daemon stopped")


def config(root: Path | None, as_json: bool) -> None:
    from assistant import config as configuration

    found = configuration.load(current_root(root))
    values = found.settings.model_dump(mode="json")
    if as_json:
        print_json(
            {
                "settings": values,
                "sources": dict(found.sources),
                "warnings": list(found.warnings),
            }
        )
        return
    for key, value in configuration.leaves(values):
        print(f"{key} = {value!r}  # {found.sources.get(key, 'default')}")
    for warning in found.warnings:
        print(f"assistant: {warning}", file=sys.stderr)
