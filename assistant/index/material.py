"""Turns one file's bytes into what the ledger stores: chunks with their words, and symbols."""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right

from assistant.index import lexical
from assistant.index.chunk import (
    CHUNKER_VERSION,
    Chunk,
    Definition,
    chunks,
    definitions,
    embedded_text,
    headings,
)
from assistant.index.ignore import relative as relative_name
from assistant.index.languages import PROSE
from assistant.index.ledger import NewChunk, NewSymbol
from assistant.index.parse import outline

__all__ = ["CHUNKER_VERSION", "of", "relative_name"]

TEST_PATH = re.compile(
    r"(^|/)(tests?|specs?|__tests__|testdata|fixtures)/|(^|/)(test_|conftest)|[._-](test|spec)\.[^/]*$",
    re.IGNORECASE,
)


def of(path: str, language: str, data: bytes) -> tuple[list[NewChunk], list[NewSymbol]]:
    """Returns a text file's chunks in order and its symbols."""
    blocks = headings(data) if language == "markdown" else outline(language, data) or ()
    found = chunks(data, blocks)
    named = [] if language == "markdown" else list(definitions(blocks))
    starts = [chunk.start_line for chunk in found]
    holders = [max(0, bisect_right(starts, d.start_line) - 1) for d in named]
    names: dict[int, list[str]] = {}
    for holder, definition in zip(holders, named, strict=True):
        names.setdefault(holder, []).append(definition.name)
    rows = [
        _row(path, language, chunk, data, names.get(number, []))
        for number, chunk in enumerate(found)
    ]
    return rows, [_symbol(d, holder) for d, holder in zip(named, holders, strict=True)]


def _row(path: str, language: str, chunk: Chunk, data: bytes, names: list[str]) -> NewChunk:
    text = data[chunk.start_byte : chunk.end_byte]
    to_embed = embedded_text(chunk, data).encode("utf-8", "replace")
    symbol_words = " ".join([*names, chunk.symbol or "", chunk.scope])
    return NewChunk(
        start_line=chunk.start_line,
        end_line=chunk.end_line,
        kind=chunk.kind,
        symbol=chunk.symbol,
        signature=chunk.signature,
        scope=chunk.scope,
        header=chunk.header,
        text=text,
        text_hash=hashlib.sha256(to_embed).digest()[:16],
        rank=_rank(path, language, chunk),
        words=(
            " ".join(lexical.terms(symbol_words)),
            " ".join(lexical.terms(path)),
            " ".join(lexical.terms(text.decode("utf-8", "replace"))),
        ),
    )


def _rank(path: str, language: str, chunk: Chunk) -> int:
    """Returns how late a chunk is embedded: definitions, other code, tests, text and data."""
    if language in PROSE:
        return 3
    if TEST_PATH.search(path):
        return 2
    return 0 if chunk.symbol else 1


def _symbol(definition: Definition, chunk_index: int) -> NewSymbol:
    return NewSymbol(
        name=definition.name,
        kind=definition.kind,
        chunk_index=chunk_index,
        start_line=definition.start_line,
        end_line=definition.end_line,
        signature=definition.signature,
        scope=definition.scope,
    )
