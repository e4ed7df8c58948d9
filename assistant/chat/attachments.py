"""Turns what a person attached into labelled text. What it needs of the world is passed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from assistant import protocol, text


@dataclass(frozen=True)
class Attached:
    """Is one piece of text that the person attached; lines are 1-based and inclusive.

    ``path`` is relative to the root where it lies inside, None for what is no file.
    """

    label: str
    text: str
    path: str | None = None
    start_line: int = 0
    end_line: int = 0
    language: str = ""


@dataclass(frozen=True)
class Resolution:
    """Holds what was attached, what could not be and why, and what is still to be looked up."""

    attached: tuple[Attached, ...] = ()
    refused: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    wants_codebase: bool = False


@dataclass(frozen=True)
class Surroundings:
    """Gives access to documents, files and git, as far as resolving needs it.

    ``read_document`` returns the unsaved text of an open document. ``read_file`` raises OSError
    or ValueError (not text). ``function_at`` returns 0-based first and last line (exclusive) of
    the definition around a line. ``diff`` returns the uncommitted changes.
    """

    read_document: Callable[[str], str | None]
    read_file: Callable[[Path], str]
    is_secret: Callable[[Path], bool]
    language_for: Callable[[Path], str | None]
    function_at: Callable[[str, str, int], tuple[int, int] | None]
    diff: Callable[[Path], str]


@dataclass
class _Resolver:
    root: Path | None
    around: Surroundings
    attached: list[Attached] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def path_of(self, item: protocol.Attachment) -> Path | None:
        if item.uri:
            try:
                found = text.uri_to_path(item.uri)
            except ValueError:
                return None
            return Path(found) if found else None
        if item.name and self.root:
            return self.root / item.name
        return None

    def shown(self, path: Path) -> str:
        if self.root is not None and path.is_relative_to(self.root):
            return str(path.relative_to(self.root))
        return str(path)

    def content(self, item: protocol.Attachment, path: Path) -> str | None:
        """Returns the whole text, unsaved changes included, or None after saying why not."""
        try:
            return self.permitted_text(item, path)
        except OSError as error:
            self.refused.append(f"{self.shown(path)}: {(error.strerror or 'unreadable').lower()}")
        except ValueError as error:
            self.refused.append(f"{self.shown(path)}: {error}")
        return None

    def permitted_text(self, item: protocol.Attachment, path: Path) -> str:
        """Returns the text of a file that may be shown to a model.

        Raises OSError, or ValueError in plain words where it may not or can't be.
        """
        real = _real(path)
        # A link with a harmless name may lead to a secret.
        if self.around.is_secret(path) or self.around.is_secret(real):
            raise ValueError("it looks like a secret")
        if item.uri:
            open_text = self.around.read_document(item.uri)
            if open_text is not None:
                return open_text
        # A file by name comes from the question: it may not reach out of the project.
        is_named = item.kind == "file" or item.name is not None
        if is_named and self.root and not real.is_relative_to(self.root.resolve()):
            raise ValueError("it is outside the project")
        if real.exists() and not real.is_file() and not real.is_dir():
            # Reading a pipe waits for somebody to write into it.
            raise ValueError("it is no ordinary file")
        return self.around.read_file(real)

    def add_lines(self, path: Path, content: str, first: int, last: int) -> None:
        """Attaches the lines from ``first`` to ``last``, 0-based, exclusive."""
        lines = content.split("\n")
        if lines and not lines[-1]:
            lines.pop()
        last = min(last, len(lines))
        name = self.shown(path)
        self.attached.append(
            Attached(
                label=f"{name}:{first + 1}-{max(last, first + 1)}",
                text="\n".join(lines[first:last]),
                path=name,
                start_line=first + 1,
                end_line=max(last, first + 1),
                language=self.around.language_for(path) or "",
            )
        )

    def add_document(self, item: protocol.Attachment) -> None:
        path = self.path_of(item)
        if path is None:
            if item.text:
                self.attached.append(Attached(item.name or item.kind, item.text))
            else:
                self.refused.append(f"{item.uri or item.name or item.kind}: it is no local file")
            return
        content = self.content(item, path)
        if content is None:
            return
        first, last = 0, content.count("\n") + 1
        if item.kind == "function" and item.range is not None:
            first, last = self.function_lines(path, content, item.range.start.line)
        elif item.range is not None:
            first = item.range.start.line
            end = item.range.end
            last = end.line if end.character == 0 and end.line > first else end.line + 1
        total = content.count("\n") + (not content.endswith("\n"))
        if first >= max(1, total):
            self.refused.append(f"{self.shown(path)}:{first + 1}: it has {total} lines")
            return
        self.add_lines(path, content, max(0, first), last)

    def function_lines(self, path: Path, content: str, line: int) -> tuple[int, int]:
        """Returns the lines of the function around ``line``, or all where there is none."""
        language = self.around.language_for(path)
        found = self.around.function_at(language, content, line) if language else None
        if found is not None:
            return found
        return 0, content.count("\n") + 1

    def add_diff(self) -> None:
        changes = self.around.diff(self.root) if self.root else ""
        if changes.strip():
            self.attached.append(Attached("uncommitted changes", changes, language="diff"))
        else:
            self.refused.append("the diff: nothing is changed since the last commit")

    def add_text(self, item: protocol.Attachment) -> None:
        if item.text and item.text.strip():
            path = self.path_of(item)
            where = f" of {self.shown(path)}" if path else ""
            self.attached.append(Attached(f"{item.kind}{where}", item.text))
        else:
            self.refused.append(f"{item.kind}: there are none")


def _real(path: Path) -> Path:
    """Returns the path without links. Raises ValueError where it can't be one."""
    try:
        return path.resolve()
    except RuntimeError as error:
        # What Python before 3.13 says of links that lead in a circle.
        raise ValueError("its links lead in a circle") from error


def resolve(
    items: Sequence[protocol.Attachment], root: Path | None, around: Surroundings
) -> Resolution:
    """Returns the text of everything attached. Blocking: reads files, may run git."""
    resolver = _Resolver(root, around)
    symbols: list[str] = []
    wants_codebase = False
    for item in items:
        if item.kind == "codebase":
            wants_codebase = True
        elif item.kind == "symbol":
            symbols.append(item.name or "")
        elif item.kind == "diff":
            resolver.add_diff()
        elif item.kind == "diagnostics":
            resolver.add_text(item)
        else:
            resolver.add_document(item)
    return Resolution(
        tuple(resolver.attached),
        tuple(resolver.refused),
        tuple(name for name in symbols if name),
        wants_codebase,
    )
