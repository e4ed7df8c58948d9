"""The unsaved text of one connection's open documents. Memory only."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from assistant import protocol, text
from assistant.base import Range
from assistant.errors import ContentModified, RequestFailed

ROOT_MARKERS = (".git", ".assistant.toml")


@dataclass
class Document:
    """Is one open document: every line ends with a newline, the last too."""

    uri: str
    language: str
    version: int
    lines: list[str] = field(default_factory=list)

    @property
    def path(self) -> Path | None:
        found = text.uri_to_path(self.uri)
        return Path(found) if found else None

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def split(self, line: int, character: int) -> tuple[str, str]:
        """Returns what stands before and after a position; the position is clamped."""
        if line < 0:
            return "", self.text
        if line >= len(self.lines):
            return self.text, ""
        column = text.char_column(self.lines[line].rstrip("\n"), character)
        before = "".join(self.lines[:line]) + self.lines[line][:column]
        return before, self.lines[line][column:] + "".join(self.lines[line + 1 :])

    def change(self, where: Range | None, new: str) -> None:
        """Replaces a range, or everything. Whole-line ranges, which editors send, cost no copy."""
        if where is None:
            self.lines = _split(new)
            return
        first, last = where.start.line, where.end.line
        if where.start.character == 0 and where.end.character == 0:
            if not 0 <= first <= last <= len(self.lines):
                raise ContentModified("a change lies outside the document")
            self.lines[first:last] = _split(new)
            return
        before, _ = self.split(where.start.line, where.start.character)
        _, after = self.split(where.end.line, where.end.character)
        self.lines = _split(before + new + after)


def _split(new: str) -> list[str]:
    """Splits at newlines only: str.splitlines also splits at form feeds and Unicode separators."""
    lines = new.split("\n")
    tail = lines.pop()
    return [line + "\n" for line in lines] + ([tail] if tail else [])


class DocumentStore:
    """Holds a connection's documents and refuses what is too large or unknown."""

    def __init__(self) -> None:
        self._documents: dict[str, Document] = {}

    def open(self, item: protocol.TextDocumentItem) -> Document:
        if len(item.text) > protocol.MAX_DOCUMENT_BYTES:
            raise RequestFailed(f"{item.uri} is over 1 MiB and gets no completion")
        document = Document(item.uri, item.language_id, item.version, _split(item.text))
        self._documents[item.uri] = document
        return document

    def change(self, params: protocol.DidChangeParams) -> None:
        document = self._documents.get(params.text_document.uri)
        if document is None:
            raise ContentModified(f"{params.text_document.uri} is not open")
        try:
            for change in params.content_changes:
                document.change(change.range, change.text)
        except ContentModified:
            # What we hold can no longer be trusted: forget it, so that the client opens it again.
            del self._documents[document.uri]
            raise
        document.version = params.text_document.version

    def close(self, uri: str) -> Document | None:
        return self._documents.pop(uri, None)

    def get(self, uri: str) -> Document | None:
        return self._documents.get(uri)

    def at(self, reference: protocol.VersionedTextDocument) -> Document:
        """Returns the document in exactly this version. Raises ContentModified for any other."""
        document = self._documents.get(reference.uri)
        if document is None or document.version != reference.version:
            known = "not open" if document is None else f"at version {document.version}"
            raise ContentModified(
                f"{reference.uri} is {known}, not at version {reference.version}",
                hint="Open the document again (textDocument/didOpen).",
            )
        return document

    def __iter__(self) -> Iterator[Document]:
        return iter(self._documents.values())


def root_of(path: Path | None, initialize_root: Path | None) -> Path | None:
    """Returns the nearest ancestor with a marker, else the initialize root that contains ``path``.

    The home directory and ``/`` count only where they carry a marker themselves.
    """
    if path is None:
        return initialize_root
    for folder in path.parents:
        if any((folder / marker).exists() for marker in ROOT_MARKERS):
            return folder
    if initialize_root is not None and initialize_root in path.parents:
        return initialize_root
    return None


def may_index_unasked(root: Path) -> bool:
    """Whether ``index.auto`` may take this root: never home, ``/`` or a folder without a marker."""
    real = root.resolve()
    if real == Path.home().resolve() or real == Path(real.anchor):
        return False
    return any((root / marker).exists() for marker in ROOT_MARKERS)


def is_excluded(path: Path, root: Path | None, globs: list[str]) -> bool:
    """Whether a path matches one of the person's globs, on its whole path or relative to root."""
    names = [str(path), path.name]
    if root is not None and path.is_relative_to(root):
        names.append(str(path.relative_to(root)))
    return any(fnmatch.fnmatch(name, glob) for name in names for glob in globs)
