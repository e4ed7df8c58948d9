"""The session by itself: two ends of a socket pair, a dispatcher made for the test."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from assistant.errors import Busy
from assistant.rpc import framing
from assistant.rpc.session import ConnectionLost, Params, Request, RpcError, Session, unknown_method


class Scripted:
    """Answers ``echo``, fails ``fail``, breaks ``break``, hangs ``hang``."""

    def __init__(self) -> None:
        self.noted: list[str] = []
        self.was_cancelled = asyncio.Event()

    def request(self, method: str, params: Params, request: Request) -> Awaitable[Any]:
        handler: Callable[[Params, Request], Awaitable[Any]] | None = getattr(self, method, None)
        if handler is None:
            raise unknown_method(method)
        return handler(params, request)

    def notify(self, method: str, params: Params) -> None:
        self.noted.append(method)

    async def echo(self, params: Params, request: Request) -> Any:
        request.progress(params.get("token"), {"kind": "partial", "text": "a"})
        return params

    async def fail(self, params: Params, request: Request) -> Any:
        raise Busy("already running", hint="Wait.")

    async def crash(self, params: Params, request: Request) -> Any:
        raise KeyError("not an expected error")

    async def hang(self, params: Params, request: Request) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            self.was_cancelled.set()

    async def large(self, params: Params, request: Request) -> Any:
        return {"text": "x" * framing.MAX_LINE_BYTES}


class Pair:
    """Is a served session with a raw peer (``reader``, ``writer``)."""

    def __init__(self) -> None:
        self.dispatcher = Scripted()

    async def __aenter__(self) -> Pair:
        ours, theirs = socket.socketpair()
        limit = framing.MAX_LINE_BYTES
        served = await asyncio.open_unix_connection(sock=ours, limit=limit)
        self.reader, self.writer = await asyncio.open_unix_connection(sock=theirs, limit=limit)
        self.session = Session(*served, self.dispatcher)
        self.task = asyncio.create_task(self.session.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()
        await self.writer.wait_closed()
        await self.task

    def send(self, *messages: dict[str, Any] | bytes) -> None:
        for message in messages:
            raw = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n"
            self.writer.write(raw)

    async def read(self) -> dict[str, Any]:
        return json.loads(await self.reader.readline())


def request(method: str, request_id: Any = 1, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def cancel(request_id: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": request_id}}


def run(test: Callable[[Pair], Awaitable[None]]) -> None:
    async def wrapped() -> None:
        async with Pair() as pair:
            await asyncio.wait_for(test(pair), 20)

    asyncio.run(wrapped())


def test_progress_comes_before_the_answer() -> None:
    async def test(pair: Pair) -> None:
        pair.send(request("echo", token="t"))
        first, second = await pair.read(), await pair.read()
        assert first["method"] == "$/progress" and first["params"]["value"]["text"] == "a"
        assert second == {"jsonrpc": "2.0", "id": 1, "result": {"token": "t"}}

    run(test)


def test_an_expected_error_travels_with_its_hint() -> None:
    async def test(pair: Pair) -> None:
        pair.send(request("fail"))
        error = (await pair.read())["error"]
        assert error["code"] == 1005
        assert error["data"] == {"hint": "Wait.", "retryable": True}

    run(test)


def test_a_broken_handler_answers_with_an_internal_error_and_the_connection_lives() -> None:
    async def test(pair: Pair) -> None:
        pair.send(request("crash"), request("echo", 2))
        assert (await pair.read())["error"]["code"] == -32603
        assert (await pair.read())["id"] == 2

    run(test)


def test_a_request_cancelled_before_its_first_step_is_still_answered() -> None:
    async def test(pair: Pair) -> None:
        pair.writer.write(
            b"".join(json.dumps(m).encode() + b"\n" for m in (request("hang"), cancel()))
        )
        answer = await pair.read()
        assert answer["id"] == 1 and answer["error"]["code"] == -32800

    run(test)


def test_cancelling_answers_once_and_reaches_the_handler() -> None:
    async def test(pair: Pair) -> None:
        pair.send(request("hang"), request("echo", 2))
        assert (await pair.read())["id"] == 2
        pair.send(cancel(), cancel(), request("echo", 3))
        assert (await pair.read())["error"]["code"] == -32800
        assert (await pair.read())["id"] == 3
        await pair.dispatcher.was_cancelled.wait()

    run(test)


def test_cancelling_what_is_unknown_or_malformed_is_ignored() -> None:
    async def test(pair: Pair) -> None:
        pair.send(cancel(99), cancel(None), cancel([1]), request("echo"))
        assert (await pair.read())["result"] == {}

    run(test)


def test_bad_lines_are_answered_and_the_connection_goes_on() -> None:
    cases: list[tuple[dict[str, Any] | bytes, int]] = [
        (b"garbage\n", -32700),
        (b"\xff\xfe{\n", -32700),
        (b"[" * 100_000 + b"\n", -32700),
        (b"[]\n", -32600),
        (b"42\n", -32600),
        ({"id": 1, "method": "echo"}, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": 5}, -32600),
        ({"jsonrpc": "2.0", "id": None, "method": "echo"}, -32600),
        ({"jsonrpc": "2.0", "id": True, "method": "echo"}, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": "echo", "params": [1]}, -32602),
        ({"jsonrpc": "2.0", "id": 1, "method": "nothing"}, -32601),
    ]

    async def test(pair: Pair) -> None:
        for message, code in cases:
            pair.send(message)
            assert (await pair.read())["error"]["code"] == code, message
        pair.send(b"\n  \n", request("echo"))
        assert (await pair.read())["result"] == {}

    run(test)


def test_an_id_in_use_is_refused_without_answering_the_first_request() -> None:
    async def test(pair: Pair) -> None:
        pair.send(request("hang"), request("echo"))
        refusal = await pair.read()
        assert refusal["id"] is None and refusal["error"]["code"] == -32600
        pair.send(cancel())
        assert (await pair.read())["error"]["code"] == -32800

    run(test)


def test_a_line_over_the_limit_is_refused_and_the_connection_closed() -> None:
    async def test(pair: Pair) -> None:
        pair.send(b"x" * (framing.MAX_LINE_BYTES + 10))
        assert (await pair.read())["error"]["code"] == -32600
        assert await pair.reader.read() == b""

    run(test)


def test_a_line_just_under_the_limit_is_read() -> None:
    async def test(pair: Pair) -> None:
        pair.send(request("echo", text="x" * (framing.MAX_LINE_BYTES - 200)))
        assert len((await pair.read())["result"]["text"]) == framing.MAX_LINE_BYTES - 200

    run(test)


def test_an_answer_over_the_limit_becomes_an_error_for_that_request_alone() -> None:
    async def test(pair: Pair) -> None:
        pair.send(request("large"), request("echo", 2))
        assert (await pair.read())["error"]["code"] == -32803
        assert (await pair.read())["id"] == 2

    run(test)


def test_bad_bytes_become_one_question_mark_each() -> None:
    async def test(pair: Pair) -> None:
        raw = json.dumps(request("echo", text="X")).encode().replace(b"X", b"a\xff\xfeb\xc3")
        pair.send(raw + b"\n")
        assert (await pair.read())["result"]["text"] == "a??b?"

    run(test)


def test_lone_surrogates_do_not_break_the_answer() -> None:
    async def test(pair: Pair) -> None:
        pair.send(request("echo", text="a\ud800b"))
        assert (await pair.read())["result"]["text"] == "a?b"

    run(test)


def test_a_call_gets_its_result_and_its_progress() -> None:
    async def test(pair: Pair) -> None:
        seen: list[dict[str, Any]] = []
        call = asyncio.create_task(pair.session.call("index", {"a": 1}, on_progress=seen.append))
        sent = await pair.read()
        token = sent["params"]["workDoneToken"]
        note = {"jsonrpc": "2.0", "method": "$/progress"}
        pair.send({**note, "params": {"token": token, "value": {"n": 1}}})
        pair.send({"jsonrpc": "2.0", "id": sent["id"], "result": {"done": True}})
        assert await call == {"done": True} and seen == [{"n": 1}]

    run(test)


def test_a_peers_error_is_raised_with_its_code_and_hint() -> None:
    async def test(pair: Pair) -> None:
        call = asyncio.create_task(pair.session.call("x"))
        sent = await pair.read()
        error = {
            "code": 1003,
            "message": "no index",
            "data": {"hint": "Run it.", "retryable": True},
        }
        pair.send({"jsonrpc": "2.0", "id": sent["id"], "error": error})
        try:
            await call
        except RpcError as raised:
            assert (raised.wire_code, raised.hint, raised.wire_retryable) == (1003, "Run it.", True)
        else:
            raise AssertionError("nothing was raised")

    run(test)


def test_calls_that_wait_fail_when_the_connection_ends() -> None:
    async def test(pair: Pair) -> None:
        call = asyncio.create_task(pair.session.call("x"))
        await pair.read()
        await pair.session.close()
        try:
            await call
        except ConnectionLost as raised:
            assert "ended" in raised.message
        else:
            raise AssertionError("nothing was raised")

    run(test)


def test_a_cancelled_call_cancels_the_request_at_the_peer() -> None:
    async def test(pair: Pair) -> None:
        call = asyncio.create_task(pair.session.call("x"))
        sent = await pair.read()
        call.cancel()
        note = await pair.read()
        assert note["method"] == "$/cancelRequest" and note["params"]["id"] == sent["id"]

    run(test)


def test_a_disconnect_cancels_what_still_runs() -> None:
    async def wrapped() -> None:
        async with Pair() as pair:
            pair.send(request("hang"), request("echo", 2))
            assert (await pair.read())["id"] == 2
        assert pair.dispatcher.was_cancelled.is_set()

    asyncio.run(asyncio.wait_for(wrapped(), 20))
