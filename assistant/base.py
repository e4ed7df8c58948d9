"""Shapes that every layer shares: positions, ranges, snippets, hits.

Positions are 0-based lines and 0-based UTF-8 byte columns, ranges are end-exclusive. The command
line and Neovim speak 1-based lines; they convert at their own edge.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class WireModel(BaseModel):
    """Is a message part: snake_case in Python, camelCase on the wire, unknown keys ignored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    def to_wire(self) -> dict[str, Any]:
        """Returns the message as it goes on the wire."""
        return self.model_dump(by_alias=True, mode="json")


class Position(WireModel):
    line: int
    character: int


class Range(WireModel):
    start: Position
    end: Position


class Source(WireModel):
    """Is a place in the project that an answer rests on; lines 1-based and inclusive."""

    path: str
    start_line: int
    end_line: int


class Snippet(Source):
    """Is a retrieved chunk as rendered in a prompt. ``source`` names the retriever that found it."""

    text: str
    source: str
    score: float = 0.0


class Hit(Source):
    """Is one search result. Higher ``score`` is better; ``why`` names what matched."""

    symbol: str | None = None
    kind: str = "text"
    score: float
    text: str
    why: str = ""
