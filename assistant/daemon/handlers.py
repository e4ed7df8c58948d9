"""One short function per method: unpack, call a service, pack. The tables are at the end."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assistant import __version__, protocol
from assistant.base import Position, Range, WireModel
from assistant.complete.service import CompletionJob
from assistant.daemon import chatting, indexing
from assistant.daemon.documents import Document
from assistant.errors import RequestFailed, Superseded
from assistant.protocol import Method
from assistant.rpc.session import Request

if TYPE_CHECKING:
    from assistant.daemon.connection import Connection

Handler = Callable[["Connection", Any, Request], Awaitable[Any]]
NoteHandler = Callable[["Connection", Any], None]


@dataclass
class Running:
    """Is the completion request that runs for a document."""

    task: asyncio.Task[Any]
    is_superseded: bool = False


# -- life of a connection ---------------------------------------------------------------


async def initialize(
    connection: Connection, params: protocol.InitializeParams, request: Request
) -> WireModel:
    connection.initialize(params)
    services = connection.services
    settings = connection.config(connection.root).settings
    return protocol.InitializeResult(
        server_info=protocol.ServerInfo(version=__version__),
        protocol_version=protocol.VERSION,
        capabilities={
            "inlineCompletion": {"streaming": True, "triggerKinds": [1, 2]},
            "chat": {"streaming": True, "actions": ["chat", "explain"]},
            "index": True,
            "search": True,
        },
        hardware_tier=(await services.engines.machine_tier(settings)).name,
        models=await services.engines.roles(settings),
    )


def initialized(connection: Connection, params: protocol.Empty) -> None:
    settings = connection.config(connection.root).settings
    engines = connection.services.engines
    connection.services.background(engines.tell_choice(settings, connection.show_message))
    if connection.client.name == protocol.EDITOR:
        connection.services.background(engines.preload(settings))


async def shutdown(connection: Connection, params: protocol.Empty, request: Request) -> None:
    connection.close()


def leave(connection: Connection, params: protocol.Empty) -> None:
    connection.leave()


def did_change_configuration(
    connection: Connection, params: protocol.DidChangeConfigurationParams
) -> None:
    connection.set_options(params.settings)


# -- documents --------------------------------------------------------------------------


def did_open(connection: Connection, params: protocol.DidOpenParams) -> None:
    document = connection.documents.open(params.text_document)
    indexing.index_unasked(connection, connection.root_of(document.path))


def did_change(connection: Connection, params: protocol.DidChangeParams) -> None:
    connection.documents.change(params)


def did_save(connection: Connection, params: protocol.DidSaveParams) -> None:
    indexing.touched(connection, params.text_document.uri)


def did_close(connection: Connection, params: protocol.DidCloseParams) -> None:
    connection.documents.close(params.text_document.uri)


# -- completion -------------------------------------------------------------------------


def _job(
    connection: Connection, document: Document, position: Position, *, is_invoked: bool
) -> CompletionJob:
    before, after = document.split(position.line, position.character)
    root = connection.root_of(document.path)
    settings = connection.config(root).settings
    path = document.path
    relative = path.relative_to(root) if path and root and path.is_relative_to(root) else path
    return CompletionJob(
        uri=document.uri,
        path=str(relative) if relative else None,
        language=document.language,
        before=before,
        after=after,
        root=root,
        is_invoked=is_invoked,
        max_lines=settings.completion.max_lines,
        context_tokens=settings.completion.context_tokens,
    )


async def inline_completion(
    connection: Connection, params: protocol.InlineCompletionParams, request: Request
) -> WireModel:
    document = connection.documents.at(params.text_document)
    is_invoked = params.context.trigger_kind == 1
    reason = connection.exclusion_of(document.path, document.language)
    if reason is not None and not (is_invoked and reason == "disabled"):
        return protocol.InlineCompletionResult(items=[], reason=reason)
    older = connection.completions.get(document.uri)
    if older is not None:
        older.is_superseded = True
        older.task.cancel()
    task = asyncio.current_task()
    assert task is not None
    running = connection.completions[document.uri] = Running(task)
    try:
        job = _job(connection, document, params.position, is_invoked=is_invoked)
        return await _complete(connection, job, params, request)
    except asyncio.CancelledError:
        if running.is_superseded:
            raise Superseded("a newer request for the document came") from None
        raise
    finally:
        if connection.completions.get(document.uri) is running:
            del connection.completions[document.uri]


async def _complete(
    connection: Connection,
    job: CompletionJob,
    params: protocol.InlineCompletionParams,
    request: Request,
) -> WireModel:
    services = connection.services
    item_id = f"{request.id}.1"
    started = time.monotonic()

    def on_partial(so_far: str) -> None:
        partial = protocol.CompletionPartial(item_id=item_id, text=so_far)
        request.progress(params.partial_result_token, partial.to_wire())

    settings = connection.config(job.root).settings
    choice = await services.engines.for_completion(settings)
    outcome = await services.completion.complete(job, choice, services.projects, on_partial)
    total = (time.monotonic() - started) * 1000
    services.latencies.add(total)
    items = []
    if outcome.text:
        here = Range(start=params.position, end=params.position)
        items.append(
            protocol.CompletionItem(
                id=item_id, insert_text=outcome.text, range=here, stop_reason=outcome.stop_reason
            )
        )
    return protocol.InlineCompletionResult(
        items=items,
        timings=protocol.Timings(
            retrieve=outcome.retrieve_ms, first_token=outcome.first_token_ms, total=total
        ),
        reason=outcome.reason,
        engine=choice.engine.name,
        model=choice.model.name if choice.model else None,
    )


async def context(
    connection: Connection, params: protocol.ContextParams, request: Request
) -> WireModel:
    document = connection.documents.at(params.text_document)
    started = time.monotonic()
    reason = connection.exclusion_of(document.path, document.language)
    if reason in ("secret", "excluded"):
        raise RequestFailed(f"Nothing of this file is ever sent: it is {reason}.")
    job = _job(connection, document, params.position, is_invoked=True)
    services = connection.services
    choice = await services.engines.for_completion(connection.config(job.root).settings)
    found = await services.completion.context(job, choice, services.projects)
    total = (time.monotonic() - started) * 1000
    return protocol.ContextResult(
        path=job.path or "",
        prefix=found.prefix,
        suffix=found.suffix,
        snippets=list(found.snippets),
        prompt=found.prompt,
        tokens=protocol.PromptTokens(prompt=found.prompt_tokens, limit=found.limit_tokens),
        milliseconds=protocol.ContextTimings(retrieve=found.retrieve_ms, total=total),
        model=choice.model.name if choice.model else None,
        engine=choice.engine.name,
    )


def item_note(connection: Connection, params: protocol.ItemParams) -> None:
    """Takes note of what was shown, accepted or dismissed; a counter each, on this machine only."""


# -- models and state -------------------------------------------------------------------


async def models(connection: Connection, params: protocol.Empty, request: Request) -> WireModel:
    settings = connection.config(connection.root).settings
    return await connection.services.engines.models(settings)


async def set_model(
    connection: Connection, params: protocol.SetModelParams, request: Request
) -> WireModel:
    settings = connection.config(connection.root).settings
    await connection.services.engines.check_model(settings, params.role, params.name)
    connection.set_option(f"{params.role}.model", params.name)
    return await models(connection, protocol.Empty(), request)


async def status(connection: Connection, params: protocol.Empty, request: Request) -> WireModel:
    services = connection.services
    found = connection.config(connection.root)
    report = await services.engines.report(found.settings)
    roots = set(services.projects.roots)
    roots.update(root for root in [connection.root] if root is not None)
    indexes = [await services.projects.status(root) for root in sorted(roots)]
    return protocol.StatusResult(
        version=__version__,
        pid=os.getpid(),
        uptime_seconds=round(time.monotonic() - services.started_at, 1),
        clients=len(services.connections),
        socket=str(services.socket),
        engine=report.engine,
        roles=report.roles,
        hardware_tier=(await services.engines.machine_tier(found.settings)).name,
        latency_ms=services.latencies.report(),
        index=indexes,
        warnings=list(found.warnings),
    )


async def stop(connection: Connection, params: protocol.Empty, request: Request) -> None:
    # After the answer: the loop has to write it first.
    asyncio.get_running_loop().call_later(0.05, connection.services.stop)


REQUESTS: dict[str, tuple[type[WireModel], Handler]] = {
    Method.INITIALIZE: (protocol.InitializeParams, initialize),
    Method.SHUTDOWN: (protocol.Empty, shutdown),
    Method.INLINE_COMPLETION: (protocol.InlineCompletionParams, inline_completion),
    Method.CONTEXT: (protocol.ContextParams, context),
    Method.CHAT: (protocol.ChatParams, chatting.chat),
    Method.INDEX: (protocol.IndexParams, indexing.index),
    Method.INDEX_STATUS: (protocol.RootParams, indexing.index_status),
    Method.CLEAR_INDEX: (protocol.RootParams, indexing.clear_index),
    Method.SEARCH: (protocol.SearchParams, indexing.search),
    Method.MODELS: (protocol.Empty, models),
    Method.SET_MODEL: (protocol.SetModelParams, set_model),
    Method.STATUS: (protocol.Empty, status),
    Method.STOP: (protocol.Empty, stop),
}

NOTIFICATIONS: dict[str, tuple[type[WireModel], NoteHandler]] = {
    Method.INITIALIZED: (protocol.Empty, initialized),
    Method.EXIT: (protocol.Empty, leave),
    Method.DID_OPEN: (protocol.DidOpenParams, did_open),
    Method.DID_CHANGE: (protocol.DidChangeParams, did_change),
    Method.DID_SAVE: (protocol.DidSaveParams, did_save),
    Method.DID_CLOSE: (protocol.DidCloseParams, did_close),
    Method.DID_CHANGE_CONFIGURATION: (
        protocol.DidChangeConfigurationParams,
        did_change_configuration,
    ),
    Method.DID_SHOW: (protocol.ItemParams, item_note),
    Method.DID_ACCEPT: (protocol.ItemParams, item_note),
    Method.DID_DISMISS: (protocol.ItemParams, item_note),
}
