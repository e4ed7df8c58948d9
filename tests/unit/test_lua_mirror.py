"""What Lua repeats of Python is the same: methods, codes, limits, options."""

from __future__ import annotations

import re
import types
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

import assistant
from assistant import errors, protocol
from assistant.config import DAEMON_KEYS, EDITOR_ONLY_KEYS
from assistant.rpc import framing
from assistant.settings import Settings
from tests.support.neovim import NEOVIM_BUILDS, running_neovim

REPO = Path(__file__).resolve().parents[2]


def lua(code: str) -> Any:
    build = next(build for build in NEOVIM_BUILDS if build.missing_reason is None)
    with running_neovim(build, "--clean", "--cmd", f"set rtp^={REPO}") as nvim:
        return nvim.exec_lua(code)


def test_methods_codes_and_limits_are_those_of_python() -> None:
    found = lua("return require('assistant.rpc.methods')")
    codes = found.pop("code")
    limits = {
        "PLUGIN_VERSION": assistant.__version__,
        "PROTOCOL_VERSION": protocol.VERSION,
        "MAX_LINE_BYTES": framing.MAX_LINE_BYTES,
        "MAX_DOCUMENT_BYTES": protocol.MAX_DOCUMENT_BYTES,
    }
    assert {name: found.pop(name) for name in limits} == limits
    methods = {name: value for name, value in vars(protocol.Method).items() if name.isupper()}
    assert found == methods

    classes = [c for c in vars(errors).values() if isinstance(c, type)]
    known = {re.sub(r"(?<!^)(?=[A-Z])", "_", c.__name__).upper(): c.code for c in classes}
    assert codes.items() <= known.items()


def options_of(model: type[BaseModel], prefix: str = "") -> dict[str, FieldInfo]:
    found: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= options_of(field.annotation, f"{prefix}{name}.")
        else:
            found[prefix + name] = field
    return found


def choices_of(annotation: Any) -> list[str]:
    if typing.get_origin(annotation) is typing.Literal:
        return list(typing.get_args(annotation))
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        return [c for part in typing.get_args(annotation) for c in choices_of(part)]
    return []


def test_the_options_are_those_of_the_daemon_and_the_editors_own() -> None:
    schema = {entry["key"]: entry for entry in lua("return require('assistant.config').schema")}
    known = options_of(Settings)
    shared = {key: entry for key, entry in schema.items() if not entry.get("editor")}

    assert set(shared) == set(known) - DAEMON_KEYS | {"index.embedder"}
    own = {key.split(".")[0] for key in set(schema) - set(shared)}
    assert own == EDITOR_ONLY_KEYS | {"log_level"}
    for key, entry in shared.items():
        field = known[key]
        default = field.get_default(call_default_factory=True)
        # An empty Lua table comes over as a list.
        assert entry.get("default") == (default if default != {} else []), key
        assert entry["description"] == field.description, key
        assert entry.get("choices", []) == choices_of(field.annotation), key
