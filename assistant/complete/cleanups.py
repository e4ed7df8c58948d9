"""Filters against what a model writes around the code. Pure: (text, place) -> text."""

from __future__ import annotations

import re

from assistant.complete.prompt import HOLE_CLOSE, HOLE_OPEN
from assistant.complete.surroundings import FilterContext, indent_of

_THINK = re.compile(r"\s*<think(?:ing)?>(?s:.*?)(?:</think(?:ing)?>\s*|\Z)")
_PATH_HEADER = re.compile(r"^[ \t]*(?:\W{1,4}[ \t]*Path: |\+\+\+\+\+ )\S+[^\n]*$", re.MULTILINE)
_FENCE = re.compile(r"\A\s*```[^\n]*\n")


def control_token(text: str, place: FilterContext) -> str:
    """Cuts at a control token that leaked into the text."""
    found = [text.find(token) for token in place.control_tokens]
    return text[: min((at for at in found if at >= 0), default=len(text))]


def think_block(text: str, place: FilterContext) -> str:
    """Removes reasoning at the start, unfinished reasoning with all that follows."""
    del place
    return _THINK.sub("", text, count=1) if _THINK.match(text) else text


def hole_tags(text: str, place: FilterContext) -> str:
    """Takes a chat model's answer out of its tags."""
    if not place.hole:
        return text
    _, opened, inner = text.partition(HOLE_OPEN)
    return (inner if opened else text).partition(HOLE_CLOSE)[0]


def fence(text: str, place: FilterContext) -> str:
    """Takes code out of a Markdown fence; outside Markdown a fence ends the text."""
    if place.extension in ("md", "markdown"):
        return text
    opening = _FENCE.match(text)
    body = text[opening.end() :] if opening else text
    at = 0 if body.startswith("```") else body.find("\n```")
    return body if at < 0 else body[:at]


def path_header(text: str, place: FilterContext) -> str:
    """Removes the header of a snippet at the start and cuts where another one begins."""
    del place
    match = _PATH_HEADER.match(text)
    while match:
        text = text[match.end() :].lstrip("\n")
        match = _PATH_HEADER.match(text)
    later = _PATH_HEADER.search(text)
    return text[: later.start()] if later else text


def prefix_echo(text: str, place: FilterContext) -> str:
    """Removes the cursor's line where the model wrote it once more."""
    typed = place.head.strip()
    stripped = text.lstrip(" \t\n")
    if len(typed) >= 5 and stripped.startswith(typed):
        return stripped[len(typed) :]
    return text


def leading_blank(text: str, place: FilterContext) -> str:
    """Removes blank lines at the start: all of them on a blank line, else all but one."""
    match = re.match(r"(?:[ \t]*\r?\n)+", text)
    if match is None:
        return text
    return text[match.end() :] if not place.head.strip() else "\n" + text[match.end() :]


def indentation(text: str, place: FilterContext) -> str:
    """Writes indentation in the file's own way and drops what the cursor's line already has."""
    unit = " " * place.indent_width
    lines = text.split("\n")
    for index, line in enumerate(lines):
        if index == 0 and place.head.strip():
            continue
        width = indent_of(line)
        white = line[:width]
        if place.uses_tabs and " " in white:
            lines[index] = white.replace(unit, "\t") + line[width:]
        elif not place.uses_tabs and "\t" in white:
            lines[index] = white.replace("\t", unit) + line[width:]
    if not place.head.strip():
        lines[0] = _first_indent(lines[0], place)
    return "\n".join(lines)


def _first_indent(line: str, place: FilterContext) -> str:
    """Drops the indentation of the first line where the cursor stands at the right depth."""
    extra = indent_of(line)
    if not extra or not line.strip():
        return line
    step = 1 if place.uses_tabs else place.indent_width
    above = place.line_above.rstrip()
    expected = indent_of(above) + (step if above.endswith((":", "{", "(", "[", "->", "do")) else 0)
    is_deeper_wanted = place.indent + extra == expected
    is_odd = (place.indent + extra) % step != 0
    doubled = extra == place.indent or place.indent == expected
    return line[extra:] if (doubled or is_odd) and not is_deeper_wanted else line


def spacing(text: str, place: FilterContext) -> str:
    """Drops a second space where the cursor already follows one."""
    if place.head.strip() and place.head.endswith((" ", "\t")):
        return text.lstrip(" \t")
    return text


def trailing_space(text: str, place: FilterContext) -> str:
    """Drops white space at the end, unless more text follows on the line."""
    stripped = text.rstrip()
    return text.rstrip("\r\n") if place.rest.strip() and "\n" not in text else stripped


def max_lines(text: str, place: FilterContext) -> str:
    """Keeps as many lines as the person wants to see."""
    lines = text.split("\n")
    return text if len(lines) <= place.max_lines else "\n".join(lines[: place.max_lines])


def one_line(text: str, place: FilterContext) -> str:
    """Keeps the first line where the model or the place allows no more."""
    if not (place.single_line or place.is_mid_line):
        return text
    return text.partition("\n")[0]
