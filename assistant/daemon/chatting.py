"""Handler of chat and explain: resolves what was attached and hands it to the service."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from assistant import protocol, text
from assistant.base import WireModel
from assistant.chat.attachments import resolve
from assistant.chat.service import ChatJob
from assistant.engine.base import ChatMessage
from assistant.errors import RequestFailed
from assistant.rpc.session import Request

if TYPE_CHECKING:
    from assistant.daemon.connection import Connection


async def chat(connection: Connection, params: protocol.ChatParams, request: Request) -> WireModel:
    root = _root(connection, params)
    settings = connection.config(root).settings
    services = connection.services
    if not params.messages and not params.attachments:
        raise RequestFailed("There is no question.", hint="Type one and send it again.")

    def on_partial(new_text: str, state: str) -> None:
        value = {"kind": "partial", "text": new_text, "state": state}
        request.progress(params.partial_result_token, value)

    def read_document(uri: str) -> str | None:
        document = connection.documents.get(uri)
        return document.text if document is not None else None

    choice = await services.engines.for_chat(settings)
    attachments = await asyncio.to_thread(resolve, params.attachments, root, read_document)
    retrieve = settings.chat.retrieve if params.retrieve is None else params.retrieve
    job = ChatJob(
        action=params.action,
        messages=tuple(ChatMessage(m.role, m.content) for m in params.messages),
        attachments=tuple(attachments),
        root=root,
        retrieve=retrieve,
        num_ctx=choice.options.num_ctx,
        max_tokens=choice.max_tokens,
    )
    answer = await services.chat.answer(
        job, choice.engine, choice.model, services.projects, on_partial
    )
    return protocol.ChatResult(
        message=protocol.Message(role="assistant", content=answer.text),
        sources=answer.sources,
        tokens=protocol.ChatTokens(
            prompt=answer.prompt_tokens, answer=answer.answer_tokens, limit=answer.limit
        ),
        dropped=answer.dropped,
        model=answer.model,
    )


def _root(connection: Connection, params: protocol.ChatParams) -> Path | None:
    found = text.uri_to_path(params.root_uri) if params.root_uri else None
    return Path(found) if found else connection.root
