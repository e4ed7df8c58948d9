"""Reads the options from their four places and says where each value came from.

Later ones win: ``config.toml``, ``.assistant.toml`` at the project root (a few keys only), the
environment (``ASSISTANT_COMPLETION__MODEL=x``), the editor's options.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from assistant import paths
from assistant.settings import Settings

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib

PROJECT_FILE = ".assistant.toml"
PROJECT_KEYS = frozenset(
    {
        "completion.enabled",
        "completion.max_lines",
        "completion.filetypes",
        "completion.exclude",
        "index.exclude",
        "chat.retrieve",
    }
)
DAEMON_KEYS = frozenset({"index.embedder", "index.include_secrets", "log_level", "idle_minutes"})
"""Keys that the whole daemon shares: never taken from one editor."""
EDITOR_ONLY_KEYS = frozenset({"keymaps", "command_prefix", "python"})

Tree = dict[str, Any]


@dataclass(frozen=True)
class Config:
    """Holds the settings in force, where each non-default value came from, and what was ignored."""

    settings: Settings = field(default_factory=Settings)
    sources: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


class _EnvModel(BaseSettings, Settings):
    model_config = SettingsConfigDict(
        env_prefix="ASSISTANT_", env_nested_delimiter="__", extra="ignore", frozen=True
    )


def load(root: Path | None = None, editor: Mapping[str, Any] | None = None) -> Config:
    """Returns the configuration in force for a project and one connection's options.

    Never raises for a person's mistake: a bad key or value is left out, its default is used, and
    one warning names it.
    """
    warnings: list[str] = []
    tree: Tree = {}
    sources: dict[str, str] = {}

    def add(layer: Mapping[str, Any], name: str) -> None:
        for key, value in leaves(layer):
            if name == PROJECT_FILE and key == "index.exclude":
                value = [*_get(tree, key, []), *value] if isinstance(value, list) else value
            if _valid(key, value, name, warnings):
                _set(tree, key, value)
                sources[key] = name

    add(_read_toml(paths.config_dir() / "config.toml", warnings), "config.toml")
    if root is not None:
        add(_project_layer(root, warnings), PROJECT_FILE)
    add(_environment(warnings), "environment")
    add(_editor_layer(editor or {}), "editor")
    return Config(Settings.model_validate(tree), sources, tuple(warnings))


def snake_keys(value: Any) -> Any:
    """Returns ``value`` with every camelCase mapping key in snake_case; options travel in either.

    Keys below ``filetypes`` are data and stay as they are.
    """
    if not isinstance(value, Mapping):
        return value
    return {
        _snake(key): inner if key == "filetypes" else snake_keys(inner)
        for key, inner in value.items()
    }


def _snake(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda m: "_" + m.group(1).lower(), key)


def leaves(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Returns the options of a tree with their dotted names."""
    found: list[tuple[str, Any]] = []
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and name != "completion.filetypes":
            found.extend(leaves(value, f"{name}."))
        else:
            found.append((name, value))
    return found


def _get(tree: Tree, key: str, default: Any) -> Any:
    node: Any = tree
    for part in key.split("."):
        if not isinstance(node, dict) or part not in node:
            return default
        node = node[part]
    return node


def _set(tree: Tree, key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for part in parents:
        tree = tree.setdefault(part, {})
    tree[last] = value


def _valid(key: str, value: Any, source: str, warnings: list[str]) -> bool:
    probe: Tree = {}
    _set(probe, key, value)
    try:
        Settings.model_validate(probe)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "extra_forbidden":
            warnings.append(f"{source}: unknown option '{key}', ignored")
        else:
            reason = first["msg"].removeprefix("Input ").removeprefix("Value error, ")
            warnings.append(f"{source}: option '{key}' {reason}; the default is used")
        return False
    return True


def _read_toml(path: Path, warnings: list[str]) -> Tree:
    try:
        tree: Tree = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        warnings.append(f"{path} can't be read and is ignored: {error}")
        return {}
    return tree


def _project_layer(root: Path, warnings: list[str]) -> Tree:
    layer: Tree = {}
    refused: list[str] = []
    for key, value in leaves(_read_toml(root / PROJECT_FILE, warnings)):
        if key in PROJECT_KEYS:
            _set(layer, key, value)
        else:
            refused.append(key)
    if refused:
        warnings.append(
            f"{PROJECT_FILE}: a project may not set {', '.join(sorted(refused))}; ignored"
        )
    return layer


def _environment(warnings: list[str]) -> Tree:
    try:
        found = EnvSettingsSource(_EnvModel)()
    except ValueError as error:
        warnings.append(f"environment: {error}; all ASSISTANT_* options are ignored")
        return {}
    return {key: value for key, value in found.items() if value is not None}


def _editor_layer(editor: Mapping[str, Any]) -> Tree:
    layer: Tree = {}
    for key, value in leaves(snake_keys(editor)):
        if key in DAEMON_KEYS or key.split(".")[0] in EDITOR_ONLY_KEYS:
            continue
        _set(layer, key, value)
    return layer


def llamacpp_model_path(settings: Settings) -> Path | None:
    value = settings.llamacpp.model_path
    return Path(os.path.expanduser(value)) if value else None
