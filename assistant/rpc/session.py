"""One JSON-RPC connection, either side of it: dispatch, cancel, answer exactly once."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from assistant import errors
from assistant.errors import AssistantError
from assistant.rpc import framing

log = logging.getLogger(__name__)

RequestId = int | str
Params = dict[str, Any]

_DROP_PROGRESS_ABOVE_BYTES = 4 * 1024 * 1024
_ABORT_ABOVE_BYTES = 64 * 1024 * 1024
"""A peer that does not read may not grow our memory: progress is dropped, then the connection."""


class RpcError(AssistantError):
    """Is an error with a code of JSON-RPC's own, or one that a peer sent."""

    def __init__(self, code: int, message: str, *, hint: str = "", retryable: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.wire_code = code
        self.wire_retryable = retryable


class ConnectionLost(RpcError):
    """Answers every request that was waiting when the connection ended."""

    def __init__(self, message: str = "the connection to the daemon ended") -> None:
        super().__init__(errors.RequestFailed.code, message, retryable=True)


@dataclass(frozen=True)
class Request:
    """Is what a handler may know of the request that it answers."""

    id: RequestId
    session: Session

    def progress(self, token: int | str | None, value: dict[str, Any]) -> None:
        """Sends one progress note, or nothing where the client gave no token."""
        if token is not None:
            self.session.notify("$/progress", {"token": token, "value": value}, droppable=True)


class Dispatcher(Protocol):
    """Answers a peer. Notifications are handled in order, before any later message is read."""

    def request(self, method: str, params: Params, request: Request) -> Awaitable[Any]:
        """Returns the awaitable of the result. Raises RpcError for an unknown method."""
        ...

    def notify(self, method: str, params: Params) -> None: ...


class Session:
    """Reads, dispatches and answers until the peer closes, then fails all that still waits."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        dispatcher: Dispatcher | None = None,
        *,
        name: str = "peer",
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._dispatcher = dispatcher
        self.name = name
        self._running: dict[RequestId, asyncio.Future[Any]] = {}
        self._abandoned: set[asyncio.Future[Any]] = set()
        self._pending: dict[RequestId, asyncio.Future[Any]] = {}
        self._progress: dict[int | str, Callable[[dict[str, Any]], None]] = {}
        self._ids = itertools.count(1)
        self.is_closed = False

    async def run(self) -> None:
        """Serves the connection until it ends. Cancels whatever of the peer's still runs."""
        try:
            while True:
                line = await framing.read_line(self._reader)
                if line is None:
                    break
                if line.strip():
                    self._receive(line)
        except framing.LineTooLong:
            limit_mib = framing.MAX_LINE_BYTES // (1024 * 1024)
            self._send_error(None, RpcError(errors.INVALID_REQUEST, f"line over {limit_mib} MiB"))
        finally:
            await self.close()

    async def close(self) -> None:
        """Ends the connection, children first. Safe to call twice."""
        if self.is_closed:
            return
        self.is_closed = True
        tasks = [*self._running.values(), *self._abandoned]
        for task in tasks:
            task.cancel()
        for future in self._pending.values():
            if not future.done():
                future.set_exception(ConnectionLost())
                future.exception()  # marked as seen: a caller that has gone is no defect
        self._pending.clear()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            log.debug("%s: was gone before we closed", self.name)

    # -- the peer asks us ---------------------------------------------------------------

    def _receive(self, line: bytes) -> None:
        try:
            message = framing.decode(line)
        except framing.Unparsable as error:
            log.warning("%s: sent a line that is not JSON: %s", self.name, error)
            self._send_error(None, RpcError(errors.PARSE_ERROR, "the line is not JSON"))
            return
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            self._send_error(None, RpcError(errors.INVALID_REQUEST, "not a JSON-RPC 2.0 object"))
        elif "method" not in message:
            self._receive_answer(message)
        elif not isinstance(message["method"], str):
            self._send_error(None, RpcError(errors.INVALID_REQUEST, "method is not a string"))
        elif "id" in message:
            self._receive_request(message)
        else:
            self._receive_notification(message)

    def _receive_request(self, message: framing.Message) -> None:
        request_id = message["id"]
        if isinstance(request_id, bool) or not isinstance(request_id, (int, str)):
            self._send_error(None, RpcError(errors.INVALID_REQUEST, "id is no integer or string"))
            return
        if request_id in self._running:
            # Answering under this id would answer the first request: say it without one.
            self._send_error(None, RpcError(errors.INVALID_REQUEST, f"id {request_id} is in use"))
            return
        method = message["method"]
        params = message.get("params", {})
        if not isinstance(params, dict):
            self._send_error(request_id, RpcError(errors.INVALID_PARAMS, "params is not an object"))
            return
        if self._dispatcher is None:
            self._send_error(request_id, unknown_method(method))
            return
        try:
            awaitable = self._dispatcher.request(method, params, Request(request_id, self))
        except AssistantError as error:
            self._send_error(request_id, error)
            return
        task: asyncio.Future[Any] = asyncio.ensure_future(awaitable)
        self._running[request_id] = task
        # From the done-callback: a task cancelled before its first step never runs its body.
        task.add_done_callback(lambda done: self._finish(request_id, method, done))

    def _finish(self, request_id: RequestId, method: str, task: asyncio.Future[Any]) -> None:
        self._abandoned.discard(task)
        if self._running.get(request_id) is not task:
            if not task.cancelled():
                task.exception()
            return
        del self._running[request_id]
        if task.cancelled():
            self._send_error(request_id, errors.Cancelled("request cancelled"))
            return
        error = task.exception()
        if error is None:
            self._send({"jsonrpc": "2.0", "id": request_id, "result": task.result()})
        elif isinstance(error, AssistantError):
            log.info("%s: %s %s failed: %s", self.name, method, request_id, error)
            self._send_error(request_id, error)
        else:
            log.error("%s: %s %s broke", self.name, method, request_id, exc_info=error)
            self._send_error(
                request_id,
                RpcError(
                    errors.INTERNAL_ERROR,
                    f"{method} broke",
                    hint="The log has the detail (:AILog).",
                ),
            )

    def _receive_notification(self, message: framing.Message) -> None:
        method, params = message["method"], message.get("params", {})
        if not isinstance(params, dict):
            log.warning("%s: %s without an object in params", self.name, method)
        elif method == "$/cancelRequest":
            self._cancel(params.get("id"))
        elif method == "$/progress" and params.get("token") in self._progress:
            self._progress[params["token"]](params.get("value", {}))
        elif self._dispatcher is not None:
            try:
                self._dispatcher.notify(method, params)
            except AssistantError as error:
                log.warning("%s: %s: %s", self.name, method, error)
            except Exception:
                log.exception("%s: %s broke", self.name, method)

    def _cancel(self, request_id: Any) -> None:
        if isinstance(request_id, bool) or not isinstance(request_id, (int, str)):
            return
        task = self._running.pop(request_id, None)
        if task is None:
            return
        # Answered at once: what the handler still has to clean up is not the client's business.
        self._abandoned.add(task)
        task.cancel()
        self._send_error(request_id, errors.Cancelled("request cancelled"))

    # -- we ask the peer ----------------------------------------------------------------

    async def call(
        self,
        method: str,
        params: Params | None = None,
        *,
        on_progress: Callable[[dict[str, Any]], None] | None = None,
        token_key: str = "workDoneToken",
    ) -> Any:
        """Returns the peer's result. Cancelling the caller cancels the request at the peer.

        Raises RpcError for the peer's error, ConnectionLost when it goes away, LineTooLong for a
        message that the peer would refuse.
        """
        if self.is_closed:
            raise ConnectionLost()
        request_id = next(self._ids)
        params = dict(params or {})
        token = f"t{request_id}"
        if on_progress is not None:
            params[token_key] = token
            self._progress[token] = on_progress
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        line = framing.encode(
            {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        )
        self._pending[request_id] = future
        self._writer.write(line)
        try:
            return await future
        except asyncio.CancelledError:
            self.notify("$/cancelRequest", {"id": request_id})
            raise
        finally:
            self._pending.pop(request_id, None)
            self._progress.pop(token, None)

    def notify(self, method: str, params: Params, *, droppable: bool = False) -> None:
        """Sends a notification; a droppable one is left out while the peer is not reading."""
        transport = self._writer.transport
        if droppable and transport.get_write_buffer_size() > _DROP_PROGRESS_ABOVE_BYTES:
            return
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def _receive_answer(self, message: framing.Message) -> None:
        request_id = message.get("id")
        future = self._pending.get(request_id) if isinstance(request_id, (int, str)) else None
        if future is None or future.done():
            if request_id is None and "error" in message:
                log.warning("%s: reports %s", self.name, message["error"])
            return
        error = message.get("error")
        if error is None:
            future.set_result(message.get("result"))
        else:
            future.set_exception(_error_from_wire(error))

    # -- writing ------------------------------------------------------------------------

    def _send_error(self, request_id: RequestId | None, error: AssistantError) -> None:
        self._send({"jsonrpc": "2.0", "id": request_id, "error": error_to_wire(error)})

    def _send(self, message: framing.Message) -> None:
        if self.is_closed or self._writer.is_closing():
            return
        try:
            line = framing.encode(message)
        except framing.LineTooLong:
            log.error("%s: our own message is too long and is not sent", self.name)
            if "id" in message and "result" in message:
                error = errors.RequestFailed("the answer is too long to send")
                self._send_error(message["id"], error)
            return
        self._writer.write(line)
        if self._writer.transport.get_write_buffer_size() > _ABORT_ABOVE_BYTES:
            log.error("%s: does not read; connection dropped", self.name)
            self._writer.transport.abort()


def error_to_wire(error: AssistantError) -> dict[str, Any]:
    """Returns the error object of an answer: code, message, data {hint, retryable}."""
    if isinstance(error, RpcError):
        code, retryable = error.wire_code, error.wire_retryable
    else:
        code, retryable = error.code, error.retryable
    data = {"hint": error.hint, "retryable": retryable}
    return {"code": code, "message": error.message, "data": data}


def _error_from_wire(error: Any) -> RpcError:
    if not isinstance(error, dict):
        return RpcError(errors.INTERNAL_ERROR, "the peer sent an error without content")
    found = error.get("data")
    data = found if isinstance(found, dict) else {}
    return RpcError(
        int(error.get("code", errors.INTERNAL_ERROR)),
        str(error.get("message", "")),
        hint=str(data.get("hint", "")),
        retryable=bool(data.get("retryable", False)),
    )


def unknown_method(method: str) -> RpcError:
    return RpcError(
        errors.METHOD_NOT_FOUND,
        f"method '{method}' is unknown",
        hint="Update the plugin and the daemon to the same version.",
    )
