"""chat and explain."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

from assistant import text
from assistant.commands import common
from assistant.commands.common import connected, current_root, file_root, print_json, run
from assistant.errors import RequestFailed
from assistant.protocol import ChatResult, Method
from assistant.rpc.session import Session


def chat(question: str | None, root: Path | None, as_json: bool) -> None:
    project = current_root(root)
    if question is None and sys.stdin.isatty() and not as_json:
        run(_talk(project))
        return
    asked = question if question is not None else sys.stdin.read()
    if not asked.strip():
        raise RequestFailed("There is no question.", hint="Write: assistant chat QUESTION")
    params = {"messages": [{"role": "user", "content": asked}]}
    _finish(run(_once(project, params, stream=not as_json)), as_json)


def explain(where: str, root: Path | None, as_json: bool) -> None:
    path, start, end = _parse_range(where)
    content = common.read_text(path)
    lines = content.split("\n")
    if start is not None and start > len(lines):
        raise RequestFailed(f"{path} has no line {start}; it has {len(lines)}.")
    attachment: dict[str, Any] = {
        "kind": "file" if start is None else "selection",
        "uri": text.path_to_uri(str(path.absolute())),
    }
    if start is not None and end is not None:
        attachment["text"] = "\n".join(lines[start - 1 : end])
        attachment["range"] = {
            "start": {"line": start - 1, "character": 0},
            "end": {"line": min(end, len(lines)), "character": 0},
        }
    params = {
        "action": "explain",
        "messages": [],
        "attachments": [attachment],
    }
    project = file_root(path.absolute(), root)
    _finish(run(_once(project, params, stream=not as_json)), as_json)


def _parse_range(where: str) -> tuple[Path, int | None, int | None]:
    match = re.fullmatch(r"(.+?):(\d+)(?:-(\d+))?", where)
    if match is None or Path(where).exists():
        return Path(where), None, None
    start = int(match[2])
    end = int(match[3] or start)
    if start < 1 or end < start:
        raise RequestFailed(f"'{where}' is no range.", hint="Write FILE:START-END, from 1.")
    return Path(match[1]), start, end


async def _once(root: Path | None, params: dict[str, Any], *, stream: bool) -> ChatResult:
    async with connected(root) as session:
        return await _ask(session, root, params, stream=stream)


async def _ask(
    session: Session, root: Path | None, params: dict[str, Any], *, stream: bool
) -> ChatResult:
    if root is not None:
        params = {**params, "rootUri": text.path_to_uri(str(root))}

    def show(value: dict[str, Any]) -> None:
        if stream and value.get("text"):
            print(value["text"], end="", flush=True)

    found = await session.call(
        Method.CHAT, params, on_progress=show, token_key="partialResultToken"
    )
    return ChatResult.model_validate(found)


async def _talk(root: Path) -> None:
    messages: list[dict[str, str]] = []
    async with connected(root) as session:
        while True:
            try:
                question = (await asyncio.to_thread(input, "> ")).strip()
            except EOFError:
                return
            if not question:
                continue
            messages.append({"role": "user", "content": question})
            result = await _ask(session, root, {"messages": messages}, stream=True)
            messages.append({"role": "assistant", "content": result.message.content})
            _show_rest(result)


def _finish(result: ChatResult, as_json: bool) -> None:
    if not as_json:
        _show_rest(result)
        return
    print_json(
        {
            "answer": result.message.content,
            "sources": [source.model_dump(mode="json") for source in result.sources],
            "tokens": result.tokens.model_dump(mode="json"),
            "dropped": result.dropped,
            "model": result.model,
        }
    )


def _show_rest(result: ChatResult) -> None:
    print()
    if result.sources:
        print("Sources:")
        common.show_sources(source.model_dump(mode="json") for source in result.sources)
    for dropped in result.dropped:
        print(f"assistant: left out: {dropped}", file=sys.stderr)
