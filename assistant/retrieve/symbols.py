"""Looks up definitions by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.retrieve.reader import Reader

_KIND_ORDER = {"class": 0, "struct": 0, "interface": 0, "function": 1, "method": 2, "type": 2}


@dataclass(frozen=True)
class SymbolRow:
    """Is a definition; lines 0-based, end exclusive."""

    name: str
    kind: str
    path: str
    chunk: int
    start_line: int
    end_line: int
    signature: str
    scope: str


def find(reader: Reader, names: Sequence[str], limit: int) -> list[SymbolRow]:
    """Returns the definitions of names, exact case and whole scope first.

    ``Class.method`` and ``Class::method`` find the method in that class.
    """
    found: list[SymbolRow] = []
    for name in names:
        parts = [part for part in re.split(r"[.:#]+", name) if part]
        if not parts:
            continue
        rows = reader.rows(
            "SELECT s.name, s.kind, f.path, s.chunk, s.start_line, s.end_line, s.signature,"
            " s.scope FROM symbols s JOIN files f ON f.id = s.file WHERE s.lower_name = ?"
            " LIMIT 200",
            (parts[-1].lower(),),
        )
        ordered = sorted((SymbolRow(*row) for row in rows), key=lambda row: _order(row, parts))
        found.extend(ordered[:limit])
    return found[:limit]


def _order(row: SymbolRow, parts: Sequence[str]) -> tuple[bool, bool, int, str, int]:
    own = [part for part in re.split(r"[.:#]+", f"{row.scope}.{row.name}") if part]
    is_scoped = own[-len(parts) :] == list(parts)
    is_exact = own[-1] == parts[-1]
    return not is_scoped, not is_exact, _KIND_ORDER.get(row.kind, 3), row.path, row.start_line
