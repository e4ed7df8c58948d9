"""Child processes under the daemon's loop: a call while one ends starts another."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from assistant.daemon.children import Child
from assistant.errors import RequestFailed


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path / "home"))


def test_a_call_while_the_child_ends_starts_another_and_nothing_hangs(tmp_path: Path) -> None:
    async def run() -> tuple[int | None, int | None]:
        child = Child("indexer", "info")
        params = {"root": str(tmp_path)}
        await child.call("clear", params)
        first = child.pid
        ending = asyncio.ensure_future(child.aclose())
        await asyncio.sleep(0)
        await child.call("clear", params)
        second = child.pid
        await asyncio.wait_for(ending, 30)
        await asyncio.wait_for(child.aclose(), 30)
        return first, second

    first, second = asyncio.run(run())
    assert first is not None and second is not None and first != second


def test_a_child_that_dies_under_a_call_is_said_and_the_next_call_works(tmp_path: Path) -> None:
    async def run() -> None:
        child = Child("indexer", "info")
        await child.call("clear", {"root": str(tmp_path)})
        process = child._process
        assert process is not None
        process.kill()
        await process.wait()
        try:  # whether the pipe is seen to be closed before or under the call is chance
            await child.call("clear", {"root": str(tmp_path)})
        except RequestFailed as error:
            assert "indexer process ended" in error.message
        await child.call("clear", {"root": str(tmp_path)})
        assert child.pid not in (None, process.pid)
        await child.aclose()

    asyncio.run(asyncio.wait_for(run(), 60))


def test_what_a_child_does_not_know_is_an_error_and_no_end(tmp_path: Path) -> None:
    async def run() -> None:
        child = Child("searcher", "info")
        with pytest.raises(Exception, match="unknown"):
            await child.call("dance", {})
        assert child.pid is not None and child.is_idle
        await child.aclose()
        assert child.pid is None

    asyncio.run(run())
