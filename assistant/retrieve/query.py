"""Answers searches from the ledger, inside the daemon."""

from __future__ import annotations

from pathlib import Path

from assistant.base import Hit, Snippet
from assistant.protocol import IndexStatus


class Retriever:
    """Reads the ledgers of all projects; safe to call from several threads."""

    def search(
        self, root: Path, query: str, limit: int, vector_hits: list[tuple[int, float]] | None
    ) -> list[Hit]:
        return []

    def definitions(self, root: Path, name: str, limit: int = 5) -> list[Hit]:
        return []

    def snippets(
        self, root: Path, *, path: str | None, prefix: str, suffix: str, budget_chars: int
    ) -> list[Snippet]:
        return []

    def status(self, root: Path) -> IndexStatus:
        return IndexStatus(root=str(root), state="none")

    def close(self) -> None:
        return
