"""index and search."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from assistant import text
from assistant.commands import common
from assistant.commands.common import connected, current_root, print_json, run
from assistant.errors import RequestFailed
from assistant.protocol import IndexResult, Method, SearchResult
from assistant.rpc.session import Session


def index(
    root: Path | None, force: bool, lexical_only: bool, explain: Path | None, as_json: bool
) -> None:
    project = current_root(root)
    if explain is not None:
        _explain(project, explain, as_json)
        return
    result = run(_index(project, force, lexical_only))
    if as_json:
        print_json(result.model_dump(mode="json"))
        return
    print(
        f"{result.root}: {result.files} files, {result.chunks} chunks, {result.embedded} embedded, "
        f"{result.reused} reused, {result.removed} removed in {result.seconds:.1f} s"
    )
    if result.skipped:
        reasons = ", ".join(f"{count} {reason}" for reason, count in result.skipped.items())
        print(f"skipped: {reasons}")


async def _index(root: Path, force: bool, lexical_only: bool) -> IndexResult:
    params = {"rootUri": text.path_to_uri(str(root)), "force": force, "lexicalOnly": lexical_only}
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    async with connected(root) as session:
        with Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        ) as bar:
            task = bar.add_task(f"Indexing {root.name}", total=100)

            def report(value: dict[str, Any]) -> None:
                if value["kind"] == "report":
                    bar.update(
                        task,
                        description=value.get("message") or "",
                        completed=value.get("percentage") or 0,
                    )

            found = await session.call(Method.INDEX, params, on_progress=report)
    return IndexResult.model_validate(found)


def _explain(root: Path, path: Path, as_json: bool) -> None:
    from assistant import config
    from assistant.index.indexer import IndexOptions, explain

    settings = config.load(root).settings
    options = IndexOptions(
        exclude=tuple(settings.index.exclude),
        include_secrets=tuple(settings.index.include_secrets),
        embedder=settings.index.embedder,
        ollama_host=settings.ollama.host,
        lexical_only=False,
        force=False,
    )
    reason = explain(root, path, options)
    if as_json:
        print_json({"path": str(path), "root": str(root), "reason": reason})
    else:
        print(f"{path}: {reason}")


def search(
    query: str | None, root: Path | None, limit: int, batch: str | None, as_json: bool
) -> None:
    if query is None and batch is None:
        raise RequestFailed("There is no query.", hint="Write: assistant search QUERY")
    project = current_root(root)
    if batch is not None:
        run(_search_batch(project, limit, batch))
        return
    assert query is not None
    result = run(_search(project, query, limit))
    if as_json:
        print_json(_to_json(result))
        return
    if not result.vectors:
        print("assistant: lexical results only, the vectors are not ready", file=sys.stderr)
    for hit in result.hits:
        name = f" {hit.kind} {hit.symbol}" if hit.symbol else ""
        print(f"{hit.path}:{hit.start_line}-{hit.end_line}{name}  ({hit.score:.3f}, {hit.why})")


async def _search(root: Path, query: str, limit: int) -> SearchResult:
    async with connected(root) as session:
        return await _ask(session, root, query, limit)


async def _ask(session: Session, root: Path, query: str, limit: int) -> SearchResult:
    params = {"rootUri": text.path_to_uri(str(root)), "query": query, "limit": limit}
    return SearchResult.model_validate(await session.call(Method.SEARCH, params))


async def _search_batch(root: Path, limit: int, batch: str) -> None:
    async with connected(root) as session:

        async def answer(request: dict[str, Any]) -> dict[str, Any]:
            query = common.field(request, "query", str)
            wanted = common.field(request, "limit", int, limit)
            return _to_json(await _ask(session, root, query, wanted))

        await common.answer_batch(batch, answer)


def _to_json(result: SearchResult) -> dict[str, Any]:
    return result.model_dump(mode="json")
