"""One JSON object per line, UTF-8. The only place that knows how messages are delimited."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from assistant import text

MAX_LINE_BYTES: Final = 8 * 1024 * 1024

Message = dict[str, Any]


class LineTooLong(Exception):
    """A peer sent a line above MAX_LINE_BYTES, or we were about to."""


class Unparsable(Exception):
    """A line is not JSON."""


async def read_line(reader: asyncio.StreamReader) -> bytes | None:
    """Returns the next line without its newline, or None at the end of the stream.

    The reader must have been made with ``limit=MAX_LINE_BYTES``: asyncio's own default is 64 KiB.
    Raises LineTooLong; what an ended peer left of an unfinished line is dropped.
    """
    try:
        line = await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError as error:
        raise LineTooLong from error
    except ConnectionError:
        return None
    return line[:-1]


def decode(line: bytes) -> Any:
    """Parses one line; each byte that is not UTF-8 becomes one ``?``, so byte columns hold."""
    try:
        return json.loads(text.decode(line))
    except (ValueError, RecursionError) as error:
        raise Unparsable(str(error)) from error


def encode(message: Message) -> bytes:
    """Returns the message as one line. JSON escapes newlines, so the line is one by construction.

    Lone surrogates, which a peer can put into JSON escapes, become ``?``: they have no UTF-8 form.
    """
    line = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    if len(line) >= MAX_LINE_BYTES:
        raise LineTooLong
    return line + b"\n"
