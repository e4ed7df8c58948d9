"""complete and context."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from assistant.commands import common
from assistant.commands.common import Place, connected, file_root, print_json, run
from assistant.errors import RequestFailed
from assistant.protocol import ContextResult, InlineCompletionResult, Method
from assistant.rpc.session import Session

Ask = Callable[[Session, Place, str], Awaitable[dict[str, Any]]]


def complete(where: str | None, root: Path | None, batch: str | None, as_json: bool) -> None:
    found = _run(where, root, batch, _complete)
    if found is None:
        return
    if as_json:
        print_json(found)
    elif found["items"]:
        print(found["items"][0]["text"])
    else:
        raise RequestFailed(f"There is no suggestion here ({found['reason']}).")


def context(where: str | None, root: Path | None, batch: str | None, as_json: bool) -> None:
    found = _run(where, root, batch, _context)
    if found is None:
        return
    if as_json:
        print_json(found)
        return
    tokens = found["tokens"]
    print(f"{found['path']}: {tokens['prompt']} of {tokens['limit']} tokens")
    common.show_sources(found["snippets"])
    print(found["prompt"])


def _run(where: str | None, root: Path | None, batch: str | None, ask: Ask) -> Any:
    if batch is not None:
        project = common.current_root(root)
        run(_batch(project, batch, ask))
        return None
    if where is None:
        raise RequestFailed("There is no place.", hint="Write FILE:LINE:COL, both from 1.")
    place = common.parse_place(where)
    return run(_one(place, root, ask))


async def _one(place: Place, root: Path | None, ask: Ask) -> dict[str, Any]:
    content = common.read_text(place.path)
    common.wire_position(content, place)
    async with connected(file_root(place.path.absolute(), root)) as session:
        return await ask(session, place, content)


async def _batch(root: Path, batch: str, ask: Ask) -> None:
    async with connected(root) as session:

        async def answer(request: dict[str, Any]) -> dict[str, Any]:
            # In a batch, paths are those of the project, wherever the command was started.
            path = root / common.field(request, "path", str)
            line = common.field(request, "line", int)
            column = common.field(request, "column", int)
            given = request.get("text")
            content = given if isinstance(given, str) else common.read_text(path)
            return await ask(session, Place(path, line, column), content)

        await common.answer_batch(batch, answer)


async def _complete(session: Session, place: Place, content: str) -> dict[str, Any]:
    position = common.wire_position(content, place)
    async with common.opened(session, place.path, content) as document:
        params = {"textDocument": document, "position": position, "context": {"triggerKind": 1}}
        found = await session.call(Method.INLINE_COMPLETION, params)
    result = InlineCompletionResult.model_validate(found)
    return {
        "items": [
            {"text": item.insert_text, "stop_reason": item.stop_reason} for item in result.items
        ],
        "engine": result.engine,
        "model": result.model,
        "milliseconds": {
            "first_token": round(result.timings.first_token, 2),
            "total": round(result.timings.total, 2),
        },
        "reason": result.reason,
    }


async def _context(session: Session, place: Place, content: str) -> dict[str, Any]:
    position = common.wire_position(content, place)
    async with common.opened(session, place.path, content) as document:
        params = {"textDocument": document, "position": position}
        found = await session.call(Method.CONTEXT, params)
    return ContextResult.model_validate(found).model_dump(mode="json")
