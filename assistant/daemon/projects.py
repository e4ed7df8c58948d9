"""The projects that the daemon knows: who indexes them, who searches them, and in which order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assistant import protocol
from assistant.base import Hit, Snippet
from assistant.daemon.children import Child
from assistant.errors import AssistantError, IndexNotReady
from assistant.retrieve.query import Retriever
from assistant.settings import Settings

log = logging.getLogger(__name__)

Report = Callable[[str, int, int], None]

AUTO_FILE_LIMIT = 50_000
"""Above as many files ``index.auto`` does not start by itself."""
_VECTOR_DEADLINE_SECONDS = 2.0
_FIRST_INDEX_SECONDS = 5.0
_UPDATE_DELAY_SECONDS = 0.3
_INDEXER_IDLE_SECONDS = 60.0
_SEARCHER_IDLE_SECONDS = 600.0


class _Run:
    """Is one index run of a root; whoever asks for the same while it runs joins it."""

    def __init__(self, force: bool, lexical_only: bool) -> None:
        self.force = force
        self.lexical_only = lexical_only
        self.reports: list[Report] = []
        self.waiting = 0
        self.searchable = asyncio.Event()
        self.task: asyncio.Task[dict[str, Any]] | None = None

    def covers(self, force: bool, lexical_only: bool) -> bool:
        return (self.force or not force) and (not self.lexical_only or lexical_only)


class Projects:
    """Owns the two child processes and the read-only view of every index."""

    def __init__(self, settings: Callable[[Path | None], Settings], log_level: str) -> None:
        self._settings = settings
        self._indexer = Child("indexer", log_level)
        self._searcher = Child("searcher", log_level)
        self._retriever = Retriever()
        self._runs: dict[Path, _Run] = {}
        self._touched: dict[Path, set[Path]] = {}
        self._updates: dict[Path, asyncio.Task[None]] = {}
        self.roots: set[Path] = set()

    # -- indexing -----------------------------------------------------------------------

    async def index(
        self,
        root: Path,
        *,
        force: bool,
        lexical_only: bool,
        report: Report,
        is_unasked: bool = False,
    ) -> dict[str, Any]:
        """Brings the index of ``root`` up to date and returns the counts.

        Cancelling the last one who waits stops the run; what it has done stays. A run that nobody
        asked for is refused above AUTO_FILE_LIMIT files. Raises RequestFailed, Busy.
        """
        root = root.resolve()
        self.roots.add(root)
        run = self._runs.get(root)
        while run is not None and not run.covers(force, lexical_only):
            assert run.task is not None
            await asyncio.wait({run.task})
            run = self._runs.get(root)
        if run is None:
            run = _Run(force, lexical_only)
            self._runs[root] = run
            limit = AUTO_FILE_LIMIT if is_unasked else None
            run.task = asyncio.create_task(self._run(root, run, limit))
        assert run.task is not None
        run.reports.append(report)
        run.waiting += 1
        try:
            return await asyncio.shield(run.task)
        except asyncio.CancelledError:
            if run.waiting == 1:
                run.task.cancel()
            raise
        finally:
            run.waiting -= 1
            run.reports.remove(report)

    async def _run(self, root: Path, run: _Run, max_files: int | None) -> dict[str, Any]:
        def on_progress(value: dict[str, Any]) -> None:
            if value["phase"] == "vectors":
                run.searchable.set()
            for report in list(run.reports):
                report(value["phase"], value["done"], value["total"])

        options = self._options(root, run.force, run.lexical_only, max_files)
        params = {"root": str(root), "options": options}
        try:
            counts: dict[str, Any] = await self._indexer.call("run", params, on_progress)
            if not run.lexical_only:
                await self._sync(root)
            return counts
        finally:
            run.searchable.set()
            del self._runs[root]

    def touch(self, root: Path, path: Path) -> None:
        """Notes that a file was saved or removed; several within a moment are one update."""
        root = root.resolve()
        self._touched.setdefault(root, set()).add(path)
        if root not in self._updates:
            self._updates[root] = asyncio.create_task(self._update(root))

    async def _update(self, root: Path) -> None:
        try:
            await self._take_touched(root)
        except AssistantError as error:
            log.warning("updating %s failed: %s", root, error)
        finally:
            self._updates.pop(root, None)
            if self._touched.get(root):
                self._updates[root] = asyncio.create_task(self._update(root))

    async def _take_touched(self, root: Path) -> None:
        """Updates what was saved: its words at once, its vectors when no run is embedding."""
        waiting: set[Path] = set()
        while True:
            await asyncio.sleep(_UPDATE_DELAY_SECONDS)
            if (await self.status(root)).state == "none":
                self._touched.pop(root, None)
                return
            run = self._runs.get(root)
            if run is not None and run.task is not None and not run.searchable.is_set():
                await asyncio.wait({run.task}, timeout=_UPDATE_DELAY_SECONDS)
                continue
            fresh = self._touched.pop(root, set())
            waiting |= fresh
            if run is None:
                break
            if fresh:
                await self._update_files(root, fresh, lexical_only=True)
        await self._update_files(root, waiting, lexical_only=False)
        await self._sync(root)

    async def _update_files(self, root: Path, files: set[Path], *, lexical_only: bool) -> None:
        params = {
            "root": str(root),
            "paths": [str(path) for path in sorted(files)],
            "options": self._options(root, False, lexical_only),
        }
        await self._indexer.call("update", params)

    async def clear(self, root: Path) -> None:
        root = root.resolve()
        run = self._runs.get(root)
        if run is not None and run.task is not None:
            run.task.cancel()
            await asyncio.wait({run.task})
        await self._searcher.aclose()
        await self._indexer.call("clear", {"root": str(root)})
        self.roots.discard(root)

    def _options(
        self, root: Path, force: bool, lexical_only: bool, max_files: int | None = None
    ) -> dict[str, Any]:
        settings = self._settings(root)
        return {
            "exclude": list(settings.index.exclude),
            "include_secrets": list(settings.index.include_secrets),
            "embedder": settings.index.embedder,
            "ollama_host": settings.ollama.host,
            "lexical_only": lexical_only,
            "force": force,
            "max_files": max_files,
        }

    async def _sync(self, root: Path) -> None:
        params = {"root": str(root), "options": self._vector_options(root)}
        await self._searcher.call("sync", params)

    def _vector_options(self, root: Path) -> dict[str, Any]:
        settings = self._settings(root)
        return {
            "embedder": settings.index.embedder,
            "ollama_host": settings.ollama.host,
            "chroma_url": settings.index.chroma_url,
            "allow_remote": settings.allow_remote,
        }

    # -- searching ----------------------------------------------------------------------

    async def search(self, root: Path, query: str, limit: int) -> list[Hit]:
        """Returns the hits of ``query``, best first. Raises IndexNotReady where there is no index."""
        return (await self.search_with_vectors(root, query, limit))[0]

    async def search_with_vectors(
        self, root: Path, query: str, limit: int
    ) -> tuple[list[Hit], bool]:
        root = root.resolve()
        status = await asyncio.to_thread(self._retriever.status, root)
        if status.state == "none" and root in self._runs:
            # The first words of a project are there in seconds: worth the wait.
            with contextlib.suppress(asyncio.TimeoutError):
                searchable = self._runs[root].searchable.wait()
                await asyncio.wait_for(searchable, _FIRST_INDEX_SECONDS)
            status = await asyncio.to_thread(self._retriever.status, root)
        if status.state == "none":
            raise IndexNotReady(f"{root.name} has no index yet.")
        vectors = await self._vector_hits(root, query, limit * 5) if status.vectors else None
        hits = await asyncio.to_thread(self._retriever.search, root, query, limit, vectors)
        return hits, vectors is not None

    async def _vector_hits(
        self, root: Path, query: str, limit: int
    ) -> list[tuple[int, float]] | None:
        options = self._vector_options(root)
        params = {"root": str(root), "text": query, "limit": limit, "options": options}
        # A searcher that is only just starting takes about a second; the results before it
        # answers are lexical, and say so.
        deadline = _VECTOR_DEADLINE_SECONDS if self._searcher.is_running else 10.0
        try:
            found = await asyncio.wait_for(self._searcher.call("query", params), deadline)
        except (AssistantError, asyncio.TimeoutError) as error:
            log.warning("no vectors for this search: %s", error or "time-out")
            return None
        return [(int(chunk), float(score)) for chunk, score in found]

    async def definitions(self, root: Path, name: str, limit: int = 5) -> list[Hit]:
        return await asyncio.to_thread(self._retriever.definitions, root.resolve(), name, limit)

    async def snippets(
        self, root: Path | None, *, path: str | None, before: str, after: str, budget_chars: int
    ) -> list[Snippet]:
        """Returns what a completion prompt may carry of the project; nothing without an index."""
        if root is None or budget_chars <= 0:
            return []
        return await asyncio.to_thread(
            self._retriever.snippets,
            root.resolve(),
            path=path,
            prefix=before,
            suffix=after,
            budget_chars=budget_chars,
        )

    async def status(self, root: Path) -> protocol.IndexStatus:
        root = root.resolve()
        status = await asyncio.to_thread(self._retriever.status, root)
        if root in self._runs and status.state != "running":
            # What is searchable already stays said: only the first run has nothing yet.
            return (
                status
                if status.state == "lexical"
                else status.model_copy(update={"state": "running"})
            )
        return status

    def is_running(self, root: Path) -> bool:
        return root.resolve() in self._runs

    # -- life ---------------------------------------------------------------------------

    async def end_idle_children(self) -> None:
        """Ends children that have been idle long enough; called from the daemon's tick."""
        now = time.monotonic()
        for child, limit in (
            (self._indexer, _INDEXER_IDLE_SECONDS),
            (self._searcher, _SEARCHER_IDLE_SECONDS),
        ):
            if child.is_running and child.is_idle and now - child.last_used > limit:
                log.info("%s was idle and ends", child.role)
                await child.aclose()

    async def aclose(self) -> None:
        tasks = [run.task for run in self._runs.values() if run.task] + list(self._updates.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(self._indexer.aclose(), self._searcher.aclose())
        self._retriever.close()
