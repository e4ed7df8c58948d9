"""Checks that what the ledger says of a file still holds on disk."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

from assistant.retrieve.reader import ChunkRow

_MAX_BYTES = 2 * 1024 * 1024


class Files:
    """Looks at each file at most once during one answer."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._contents: dict[str, bytes | None] = {}

    def current(self, row: ChunkRow) -> ChunkRow | None:
        """Returns the chunk with the lines where its text stands now, or None where it is gone."""
        if row.path not in self._contents:
            self._contents[row.path] = self._changed(row)
        data = self._contents[row.path]
        if data is None:
            return None
        if data is _UNCHANGED:
            return row
        return _relocated(row, data)

    def _changed(self, row: ChunkRow) -> bytes | None:
        path = self._root / row.path
        try:
            entry = os.lstat(path)
            if (entry.st_size, entry.st_mtime_ns) == (row.size, row.mtime_ns):
                return _UNCHANGED
            # A pipe would keep us waiting, a symlink may lead out of the project.
            is_readable = stat.S_ISREG(entry.st_mode) and entry.st_size <= _MAX_BYTES
            return path.read_bytes() if is_readable else None
        except OSError:
            return None


_UNCHANGED = b"(the file is as the ledger has it)"


def _relocated(row: ChunkRow, data: bytes) -> ChunkRow | None:
    """Finds the chunk's text in the file as it is now, the place nearest to the old one."""
    best: int | None = None
    at = data.find(row.text)
    while at >= 0:
        end = at + len(row.text)
        is_whole = (at == 0 or data[at - 1 : at] == b"\n") and (
            row.text.endswith(b"\n") or end == len(data)
        )
        line = data.count(b"\n", 0, at)
        if is_whole and (best is None or abs(line - row.start_line) < abs(best - row.start_line)):
            best = line
        at = data.find(row.text, at + 1)
    if best is None:
        return None
    return replace(row, start_line=best, end_line=best + row.end_line - row.start_line)
