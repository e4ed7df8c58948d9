"""What the commands share: places, roots, batches, running against the daemon."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from assistant import text
from assistant.daemon import client
from assistant.daemon.documents import root_of
from assistant.errors import AssistantError, RequestFailed
from assistant.protocol import MAX_DOCUMENT_BYTES
from assistant.rpc.session import Session, error_to_wire

INTERRUPTED = 130

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


def run(work: Awaitable[Any]) -> Any:
    """Runs one command's coroutine to its end."""

    async def wrapped() -> Any:
        return await work

    try:
        return asyncio.run(wrapped())
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def print_json(value: Any) -> None:
    """Prints one JSON object on one line, non-ASCII characters as they are."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def current_root(root: Path | None) -> Path:
    """Returns the project that a command without a file means. Raises RequestFailed."""
    if root is not None:
        if not root.is_dir():
            raise RequestFailed(f"{root} is not a directory.")
        return root.resolve()
    here = Path.cwd()
    return root_of(here / "x", None) or here


def file_root(path: Path, root: Path | None) -> Path | None:
    return root.resolve() if root is not None else root_of(path, None)


@dataclass(frozen=True)
class Place:
    """Is a place in a file, 1-based, the column in characters."""

    path: Path
    line: int
    column: int


def parse_place(value: str) -> Place:
    """Parses FILE:LINE:COL. Raises RequestFailed with the right form."""
    parts = value.rsplit(":", 2)
    if len(parts) != 3 or not (parts[1].isdigit() and parts[2].isdigit()):
        raise RequestFailed(f"'{value}' is no place.", hint="Write FILE:LINE:COL, both from 1.")
    return Place(Path(parts[0]), int(parts[1]), int(parts[2]))


def read_text(path: Path) -> str:
    """Returns the text of a file. Raises RequestFailed where it is none, or too large to open."""
    try:
        if path.stat().st_size > MAX_DOCUMENT_BYTES:
            raise RequestFailed(f"{path} is over 1 MiB, which is more than is ever opened.")
        raw = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "can't be read").lower()
        raise RequestFailed(f"{path}: {reason}.") from error
    if b"\0" in raw[:8192]:
        raise RequestFailed(f"{path} is a binary file.")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestFailed(f"{path} is not UTF-8.", hint="Convert it first.") from error


def wire_position(content: str, place: Place) -> dict[str, int]:
    """Converts to the wire's 0-based line and byte column. Raises RequestFailed outside the file."""
    lines = content.split("\n")
    if not 1 <= place.line <= len(lines):
        raise RequestFailed(f"{place.path} has no line {place.line}; it has {len(lines)}.")
    line = lines[place.line - 1]
    if not 1 <= place.column <= len(line) + 1:
        raise RequestFailed(
            f"line {place.line} of {place.path} has no column {place.column}; "
            f"it has {len(line) + 1}."
        )
    return {"line": place.line - 1, "character": text.byte_column(line, place.column - 1)}


@asynccontextmanager
async def opened(session: Session, path: Path, content: str) -> AsyncIterator[dict[str, Any]]:
    """Opens a document for one request; gives its versioned identifier."""
    uri = text.path_to_uri(str(path.absolute()))
    document = {"uri": uri, "version": 1}
    # The protocol's text has every line with its newline, the last too.
    full = content if content.endswith("\n") else content + "\n"
    item = {**document, "languageId": language_of(path), "text": full}
    session.notify("textDocument/didOpen", {"textDocument": item})
    try:
        yield document
    finally:
        session.notify("textDocument/didClose", {"textDocument": {"uri": uri}})


def language_of(path: Path) -> str:
    from assistant.index.parse import language_for

    return language_for(path) or ""


async def answer_batch(source: str, answer: Answer) -> None:
    """Answers JSON requests, one a line, in their order; an error answers its line alone."""
    with _open_batch(source) as lines:
        for line in lines:
            if line.strip():
                print_json(await _answer_line(line, answer))


def _open_batch(source: str) -> IO[str]:
    if source == "-":
        return sys.stdin
    try:
        return open(source, encoding="utf-8")
    except OSError as error:
        raise RequestFailed(f"{source}: {(error.strerror or 'unreadable').lower()}.") from error


async def _answer_line(line: str, answer: Answer) -> dict[str, Any]:
    request_id: Any = None
    try:
        request = json.loads(line)
        if not isinstance(request, dict):
            raise RequestFailed("a request is a JSON object.")
        request_id = request.get("id")
        return {"id": request_id, **await answer(request)}
    except json.JSONDecodeError as error:
        failure = error_to_wire(RequestFailed(f"the line is not JSON: {error.msg}"))
    except AssistantError as error:
        failure = error_to_wire(error)
    return {"id": request_id, "error": failure}


def field(request: dict[str, Any], name: str, kind: type, default: Any = None) -> Any:
    """Returns a field of a batch request. Raises RequestFailed for a missing or wrong one."""
    value = request.get(name, default)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise RequestFailed(f"'{name}' is missing or no {kind.__name__}.")
    return value


def relative(path: str, root: Path | None) -> str:
    """Returns ``path`` relative to the root where it lies inside."""
    found = Path(path)
    if root is not None and found.is_absolute() and found.is_relative_to(root):
        return str(found.relative_to(root))
    return path


def show_sources(sources: Iterable[Any]) -> None:
    for source in sources:
        print(f"  {source['path']}:{source['start_line']}-{source['end_line']}")


connected = client.connected
