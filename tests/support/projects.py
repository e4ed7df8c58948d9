"""Small projects on disk, with and without git, and an index of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from assistant.index.indexer import IndexCounts, Indexer, IndexOptions

GIT_IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@example.org")


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def git(root: Path, *arguments: str) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment.update(GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null")
    subprocess.run(
        ["git", "-C", str(root), *GIT_IDENTITY, *arguments],
        check=True,
        capture_output=True,
        env=environment,
    )


def options(**changed: object) -> IndexOptions:
    values: dict[str, object] = {
        "exclude": (),
        "include_secrets": (),
        "embedder": "auto",
        "ollama_host": None,
        "lexical_only": True,
        "force": False,
        **changed,
    }
    return IndexOptions(**values)  # type: ignore[arg-type]


def index(root: Path, **changed: object) -> IndexCounts:
    return Indexer().run(root, options(**changed), lambda *_: None, lambda: False)


def update(root: Path, *names: str, **changed: object) -> IndexCounts:
    found = [root / name for name in names]
    return Indexer().update_files(root, found, options(**changed), lambda *_: None, lambda: False)


@pytest.fixture
def index_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for every store."""
    home = tmp_path / "home"
    monkeypatch.setenv("ASSISTANT_HOME", str(home))
    return home


@pytest.fixture
def tree(tmp_path: Path, index_home: Path) -> Path:
    """An empty directory without git."""
    root = tmp_path / "tree"
    root.mkdir()
    return root


@pytest.fixture
def repository(tree: Path) -> Path:
    git(tree, "init", "-q")
    return tree
