"""Text and column arithmetic. Pure: no I/O, no state."""

from __future__ import annotations

import codecs
from urllib.parse import quote, unquote, urlsplit

_BAD_BYTES = "assistant.question"


def _question(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "?" * (error.end - error.start), error.end


codecs.register_error(_BAD_BYTES, _question)


def decode(raw: bytes) -> str:
    """Decodes UTF-8 with each bad byte as one ASCII ``?``, so that byte columns still hold."""
    return raw.decode("utf-8", _BAD_BYTES)


def char_column(line: str, byte_column: int) -> int:
    """Returns the character column of a UTF-8 byte column, clamped to the line.

    A column inside a character counts as the column before it.
    """
    if line.isascii():
        return max(0, min(byte_column, len(line)))
    raw = line.encode("utf-8")[: max(0, byte_column)]
    return len(raw.decode("utf-8", "ignore"))


def byte_column(line: str, char_column: int) -> int:
    """Returns the UTF-8 byte column of a character column, clamped to the line."""
    return len(line[: max(0, char_column)].encode("utf-8"))


def split_at(text: str, line: int, byte_col: int) -> tuple[str, str]:
    """Splits ``text`` at a position into what stands before and after it."""
    offset = offset_at(text, line, byte_col)
    return text[:offset], text[offset:]


def offset_at(text: str, line: int, byte_col: int) -> int:
    """Returns the character offset of a position in ``text``, clamped to its end."""
    start = 0
    for _ in range(line):
        newline = text.find("\n", start)
        if newline < 0:
            return len(text)
        start = newline + 1
    end = text.find("\n", start)
    content = text[start:] if end < 0 else text[start:end]
    return start + char_column(content, byte_col)


def common_prefix_length(left: str, right: str) -> int:
    limit = min(len(left), len(right))
    for index in range(limit):
        if left[index] != right[index]:
            return index
    return limit


def path_to_uri(path: str) -> str:
    return "file://" + quote(path)


def uri_to_path(uri: str) -> str | None:
    """Returns the local path of a ``file:`` URI, or None for any other scheme or host."""
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        return None
    return unquote(parts.path, errors="surrogateescape")
