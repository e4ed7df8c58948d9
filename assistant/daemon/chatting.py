"""Handler of chat and explain: resolves what was attached and hands it to the service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from assistant import protocol, text
from assistant.base import WireModel
from assistant.chat.attachments import Surroundings, resolve
from assistant.chat.service import ChatJob
from assistant.engine.base import ChatMessage
from assistant.errors import RequestFailed
from assistant.index import git
from assistant.index.parse import enclosing_definition, language_for
from assistant.rpc.session import Request

if TYPE_CHECKING:
    from assistant.daemon.connection import Connection


async def chat(connection: Connection, params: protocol.ChatParams, request: Request) -> WireModel:
    if not any(m.content.strip() for m in params.messages) and not params.attachments:
        raise RequestFailed("There is no question.", hint="Type one and send it again.")
    services = connection.services
    job = await _job(connection, params)

    def on_partial(new_text: str, state: str) -> None:
        value = {"kind": "partial", "text": new_text, "state": state}
        request.progress(params.partial_result_token, value)

    choice = await services.engines.for_chat(connection.config(job.root).settings)
    answer = await services.chat.answer(job, choice, services.projects, on_partial)
    return protocol.ChatResult(
        message=protocol.Message(role="assistant", content=answer.text),
        sources=list(answer.sources),
        tokens=protocol.ChatTokens(
            prompt=answer.prompt_tokens, answer=answer.answer_tokens, limit=answer.limit
        ),
        dropped=list(answer.dropped),
        model=answer.model,
    )


async def _job(connection: Connection, params: protocol.ChatParams) -> ChatJob:
    found = text.uri_to_path(params.root_uri) if params.root_uri else None
    root = Path(found) if found else connection.root
    settings = connection.config(root).settings
    around = Surroundings(
        read_document=_reader(connection),
        read_file=_read_file,
        is_secret=connection.services.is_secret,
        language_for=language_for,
        function_at=_function_at,
        diff=git.diff,
    )
    tier = await connection.services.engines.machine_tier(settings)
    return ChatJob(
        action=params.action,
        messages=tuple(ChatMessage(m.role, m.content) for m in params.messages),
        resolution=await asyncio.to_thread(resolve, params.attachments, root, around),
        root=root,
        retrieve=settings.chat.retrieve if params.retrieve is None else params.retrieve,
        pull_command=f"ollama pull {tier.chat.name}",
    )


def _reader(connection: Connection) -> Callable[[str], str | None]:
    def read(uri: str) -> str | None:
        document = connection.documents.get(uri)
        return document.text if document is not None else None

    return read


def _read_file(path: Path) -> str:
    """Returns a file's text. Raises OSError, or ValueError in plain words."""
    if path.stat().st_size > protocol.MAX_DOCUMENT_BYTES:
        raise ValueError("it is over 1 MiB")
    raw = path.read_bytes()
    if b"\0" in raw[:8192]:
        raise ValueError("it is a binary file")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error


def _function_at(language: str, content: str, line: int) -> tuple[int, int] | None:
    found = enclosing_definition(language, content.encode("utf-8", "replace"), line)
    return (found[0], found[1]) if found is not None else None
