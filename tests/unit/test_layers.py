"""The house keeps its shape: imports point down, each foreign library has one door, files stay
small, and the daemon stays light.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]

LAYERS: tuple[tuple[str, ...], ...] = (
    ("__init__", "base", "errors", "paths", "text", "settings", "config", "protocol"),
    ("rpc",),
    (
        "engine.base",
        "engine.fim",
        "engine.metadata",
        "engine.ollama_models",
        "engine.select",
        "engine.thinking",
        "complete.boundaries",
        "complete.cleanups",
        "complete.comments",
        "complete.filters",
        "complete.prompt",
        "complete.surroundings",
        "index.chunk",
        "retrieve.rank",
        "hardware.facts",
        "hardware.tiers",
    ),
    ("engine", "hardware"),
    ("index",),
    ("retrieve",),
    ("complete", "chat", "index.indexer", "index.searcher"),
    ("daemon",),
    ("daemon.app", "doctor"),
    ("commands",),
    ("cli", "__main__"),
)
"""Bottom first. The longest name that fits a module, or a package above it, says its layer."""

PURE = LAYERS[2]
IO_MODULES = {
    *("asyncio", "chromadb", "httpx", "multiprocessing", "ollama", "os", "pathlib", "shutil"),
    *("socket", "sqlite3", "subprocess", "tempfile", "threading", "time", "urllib.request"),
}
DOORS = {
    "chromadb": r"index\.vectors",
    "torch": r"index\.embed",
    "sentence_transformers": r"index\.embed",
    "onnxruntime": r"index\.embed",
    "tokenizers": r"index\.embed",
    "ollama": r"engine\.ollama",
    "xllamacpp": r"engine\.llamacpp_child",
    "tree_sitter": r"index\.parse",
    "tree_sitter_languages": r"index\.parse",
    "tree_sitter_language_pack": r"index\.parse",
    "pynvml": r"hardware\.",
    "typer": r"(cli|commands|__main__)",
    "rich": r"(cli|commands|__main__)",
    "pynvim": r"no module of the package",
}
"""Foreign library to the modules (as a regular expression) that may import it."""

SERVICES = ("complete", "chat", "index", "retrieve", "engine", "hardware")
HEAVY = ("torch", "chromadb", "sentence_transformers", "onnxruntime", "xllamacpp", "tokenizers")
MAX_FILE_LINES = 450
MAX_TEST_LINES = 400
MAX_FUNCTION_LINES = 50


@dataclass(frozen=True)
class Import:
    importer: str
    imported: str
    is_eager: bool
    """Runs when the module is loaded: not inside a function, not for type checkers only."""


def module_name(path: Path) -> str:
    parts = path.relative_to(REPO / "assistant").with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    return {module_name(path): path for path in sorted((REPO / "assistant").rglob("*.py"))}


def layer_of(module: str) -> int:
    fitting = [
        (len(name), layer)
        for layer, names in enumerate(LAYERS)
        for name in names
        if f"{module}.".startswith(f"{name}.")
    ]
    assert fitting, f"assistant/{module} belongs to no layer; give it one in {Path(__file__).name}"
    return max(fitting)[1]


def imports_of(module: str, path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text("utf-8"))
    yield from _walk(module, path, tree, is_eager=True)


def _walk(module: str, path: Path, node: ast.AST, *, is_eager: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(module, alias.name, is_eager)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{path}: imports are absolute"
            for alias in child.names:
                yield Import(module, f"{child.module}.{alias.name}", is_eager)
        else:
            lazy = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) or (
                isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            )
            yield from _walk(module, path, child, is_eager=is_eager and not lazy)


@cache
def all_imports() -> tuple[Import, ...]:
    return tuple(found for name, path in modules().items() for found in imports_of(name, path))


def own_module(imported: str) -> str | None:
    """Returns the module of the package behind an imported name, or None for a foreign one."""
    if imported.split(".")[0] != "assistant":
        return None
    name = imported.removeprefix("assistant").removeprefix(".")
    while name and name not in modules():
        name = name.rpartition(".")[0]
    return name or "__init__"


def inner_imports() -> list[tuple[Import, str]]:
    pairs = [(found, own_module(found.imported)) for found in all_imports()]
    return [(found, target) for found, target in pairs if target is not None]


def test_imports_point_down() -> None:
    upward = [
        f"{found.importer} -> {target}"
        for found, target in inner_imports()
        if layer_of(target) > layer_of(found.importer)
    ]

    assert upward == []


def test_rooms_of_one_floor_do_not_know_each_other() -> None:
    sideways = [
        f"{found.importer} -> {target}"
        for found, target in inner_imports()
        if layer_of(target) == layer_of(found.importer) > 0
        and target.split(".")[0] != found.importer.split(".")[0]
        and target not in PURE
        and found.importer not in ("cli", "__main__")
    ]

    assert sideways == []


def test_rpc_and_services_do_not_know_each_other() -> None:
    met = [
        f"{found.importer} -> {target}"
        for found, target in inner_imports()
        if {found.importer.split(".")[0], target.split(".")[0]} & {"rpc"}
        and {found.importer.split(".")[0], target.split(".")[0]} & set(SERVICES)
    ]

    assert met == []


def test_pure_modules_do_no_io() -> None:
    impure = [
        f"{found.importer} -> {found.imported}"
        for found in all_imports()
        if found.importer in PURE
        and not found.imported.startswith("pathlib.Pure")
        and any(f"{found.imported}.".startswith(f"{name}.") for name in IO_MODULES)
    ]

    assert impure == []


@pytest.mark.parametrize("library", DOORS)
def test_foreign_library_has_one_door(library: str) -> None:
    importers = {
        found.importer for found in all_imports() if found.imported.split(".")[0] == library
    }

    assert [name for name in sorted(importers) if not re.match(DOORS[library], name)] == []


def test_no_eager_import_cycle() -> None:
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for found, target in inner_imports():
        if found.is_eager and target != found.importer:
            graph[found.importer].add(target)
    while leaves := {name for name, targets in graph.items() if not targets}:
        graph = {name: targets - leaves for name, targets in graph.items() if name not in leaves}

    assert graph == {}


def test_remote_plugin_imports_the_standard_library_and_pynvim_only() -> None:
    # Its own modules come by relative import or bare name: Neovim's host finds it by its name.
    allowed = {*sys.stdlib_module_names, "pynvim", "assistant_host"}
    foreign = set()
    for path in (REPO / "rplugin").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            foreign |= {f"{path.name} -> {n}" for n in names if n.split(".")[0] not in allowed}

    assert foreign == set()


def source_files() -> Iterator[Path]:
    for folder in ("assistant", "rplugin", "tools", "tests"):
        yield from (REPO / folder).rglob("*.py")
    for folder in ("lua", "plugin", "tests"):
        yield from (REPO / folder).rglob("*.lua")


def test_files_stay_small() -> None:
    big = {}
    for path in source_files():
        name = str(path.relative_to(REPO))
        lines = len(path.read_text("utf-8").splitlines())
        if lines > (MAX_TEST_LINES if name.startswith("tests/") else MAX_FILE_LINES):
            big[name] = lines

    assert big == {}


def test_functions_stay_small() -> None:
    big = {}
    for path in source_files():
        if path.suffix != ".py" or path.is_relative_to(REPO / "tests"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > MAX_FUNCTION_LINES:
                    big[f"{path.relative_to(REPO)}:{node.name}"] = lines

    assert big == {}


@pytest.mark.parametrize("module", ["assistant.daemon.app", "assistant.cli"])
def test_importing_stays_light(module: str) -> None:
    """Torch and Chroma live in child processes: importing either in the daemon is a defect."""
    code = f"import sys, {module}; print(sorted({set(HEAVY)!r} & {{n.split('.')[0] for n in sys.modules}}))"

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
