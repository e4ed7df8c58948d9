"""The names of the wire are written twice, in Python and in Lua; they are the same."""

from __future__ import annotations

import re
from pathlib import Path

from assistant import __version__, errors, protocol

METHODS_LUA = Path(__file__).resolve().parents[2] / "lua" / "assistant" / "rpc" / "methods.lua"


def lua_constants() -> dict[str, str]:
    """Returns the constants of the module by name; strings without their quotes."""
    text = METHODS_LUA.read_text("utf-8")
    found = re.findall(r"^M\.([A-Z_]+) = (.+)$", text, re.MULTILINE)
    return {name: value.strip("'\"") for name, value in found}


def lua_codes() -> dict[str, int]:
    text = METHODS_LUA.read_text("utf-8")
    table = text[text.index("M.code = {") :]
    return {name: int(value) for name, value in re.findall(r"([A-Z_]+) = (-?\d+),", table)}


def test_every_method_has_one_name() -> None:
    python = {name: value for name, value in vars(protocol.Method).items() if name.isupper()}
    lua = lua_constants()
    assert {name: value for name, value in lua.items() if name in python} == python
    assert {name for name, value in lua.items() if "/" in value} <= set(python)


def test_version_and_limits_are_the_same() -> None:
    lua = lua_constants()
    assert lua["PLUGIN_VERSION"] == __version__
    assert int(lua["PROTOCOL_VERSION"]) == protocol.VERSION
    assert lua["MAX_DOCUMENT_BYTES"] == "1024 * 1024"
    assert protocol.MAX_DOCUMENT_BYTES == 1024 * 1024


def test_codes_are_those_of_the_errors() -> None:
    classes = [errors.Cancelled, errors.ContentModified, errors.Superseded, errors.RequestFailed]
    classes.append(errors.ProtocolVersion)
    names = [re.sub(r"(?<!^)([A-Z])", r"_\1", one.__name__).upper() for one in classes]
    python = {name: one.code for name, one in zip(names, classes, strict=True)}
    assert {name: code for name, code in lua_codes().items() if name in python} == python
    known = {one.code for one in vars(errors).values() if hasattr(one, "code")}
    assert set(lua_codes().values()) <= known
