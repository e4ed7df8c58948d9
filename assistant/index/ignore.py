"""Rules by name: what is never indexed, what the person excludes, and what they bring back."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from pathspec import GitIgnoreSpec

from assistant.index.secrets import is_secret_path

IGNORE_FILE = ".assistantignore"
REPOSITORY_FOLDERS = frozenset((".git", ".hg", ".svn", ".jj"))

_VENDORED = frozenset(
    (
        *("node_modules", "bower_components", "vendor", "third_party", "site-packages", ".venv"),
        *("venv", "__pycache__", ".tox", ".nox", ".mypy_cache", ".ruff_cache", ".pytest_cache"),
        *(".gradle", ".terraform", ".next", ".yarn", ".eggs", "Pods", "DerivedData"),
    )
)
_LOCK = re.compile(
    r".*\.lock|.*-lock\.(json|ya?ml)|go\.sum|npm-shrinkwrap\.json|lazy-lock\.json|.*\.lockb|\.pnp\..*"
)
_MINIFIED = re.compile(r".*\.min\.(js|css|mjs|html)|.*[.-]bundle\.(js|css)|.*\.(js|css|ts)\.map")
_BINARY = frozenset(
    [
        "7z",
        "a",
        "avi",
        "bin",
        "bmp",
        "bz2",
        "class",
        "dat",
        "db",
        "dll",
        "doc",
        "docx",
        "dylib",
        "eot",
        "exe",
        "flac",
        "gguf",
        "gif",
        "gz",
        "ico",
        "img",
        "iso",
        "jar",
        "jpeg",
        "jpg",
        "lib",
        "mkv",
        "mo",
        "mov",
        "mp3",
        "mp4",
        "npy",
        "npz",
        "o",
        "obj",
        "odt",
        "ogg",
        "onnx",
        "otf",
        "parquet",
        "pb",
        "pdf",
        "pickle",
        "pkl",
        "png",
        "ppt",
        "pptx",
        "psd",
        "pt",
        "pth",
        "pyc",
        "pyd",
        "pyo",
        "rar",
        "safetensors",
        "so",
        "sqlite",
        "sqlite3",
        "tar",
        "tgz",
        "tif",
        "tiff",
        "ttf",
        "wasm",
        "wav",
        "webm",
        "webp",
        "whl",
        "woff",
        "woff2",
        "xls",
        "xlsx",
        "xz",
        "zip",
        "zst",
    ]
)


def spec_of(lines: Iterable[str]) -> GitIgnoreSpec:
    """Returns the rules of gitignore lines; a line that is no pattern is left out."""
    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError:
        return GitIgnoreSpec.from_lines(line for line in lines if _is_pattern(line))


def _is_pattern(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def read_lines(path: Path) -> list[str]:
    """Returns the lines of an ignore file, none where it can't be read."""
    try:
        if not path.is_file():
            return []
        return path.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []


class Rules:
    """Says by its name alone why a path is left out. Paths are relative to the root, with ``/``."""

    def __init__(self, root: Path, exclude: Sequence[str], include_secrets: Sequence[str]) -> None:
        own = read_lines(root / IGNORE_FILE)
        self._own = spec_of(own)
        self.brings_back = any(line.startswith("!") for line in own)
        self._exclude = spec_of(exclude)
        prefix = f"{root}/"
        self._include_secrets = spec_of(glob.removeprefix(prefix) for glob in include_secrets)
        everything = "\0".join([*own, "", *exclude, "", *include_secrets])
        self.digest = hashlib.sha256(everything.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        """Changes with the rules: what their content kept out is then looked at again."""

    def is_open_secret(self, path: str) -> bool:
        """Whether the person lifted the rule about secrets for this path."""
        return self._include_secrets.match_file(path)

    def is_brought_back(self, path: str) -> bool:
        """Whether ``.assistantignore`` has the path back with ``!``."""
        return self._own.check_file(path).include is False

    def reason(self, path: str, *, is_ignored: bool = False) -> str | None:
        """Returns one word for why the path is left out, or None where its name says nothing."""
        pure = PurePosixPath(path)
        if is_secret_path(pure) and not self.is_open_secret(path):
            return "secret"
        if self._exclude.match_file(path):
            return "excluded"
        own = self._own.check_file(path).include
        if own is True:
            return "ignored"
        if pure.suffix[1:].lower() in _BINARY:
            return "binary"
        if own is False:
            return None
        if is_ignored:
            return "ignored"
        return _built_in(pure)

    def prunes(self, folder: str) -> bool:
        """Whether nothing below a folder can be indexed."""
        name = folder.rpartition("/")[2]
        if name in REPOSITORY_FOLDERS:
            return True
        return not self.brings_back and (name in _VENDORED or self._own.match_file(f"{folder}/"))


def _built_in(path: PurePosixPath) -> str | None:
    if not _VENDORED.isdisjoint(path.parts[:-1]):
        return "vendored"
    name = path.name.lower()
    if _LOCK.fullmatch(name):
        return "lock"
    return "minified" if _MINIFIED.fullmatch(name) else None


class GitIgnores:
    """Reads nested ``.gitignore`` files where git itself can't be asked."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._specs: dict[str, GitIgnoreSpec | None] = {}
        self._global = spec_of(read_lines(root / ".git" / "info" / "exclude"))

    def _spec(self, folder: str) -> GitIgnoreSpec | None:
        if folder not in self._specs:
            lines = read_lines(self._root / folder / ".gitignore")
            self._specs[folder] = spec_of(lines) if lines else None
        return self._specs[folder]

    def ignores(self, path: str, *, is_folder: bool = False) -> bool:
        """Whether the path is ignored; its parent folders are taken as not ignored."""
        parts = path.split("/")
        tail = "/" if is_folder else ""
        for depth in range(len(parts) - 1, -1, -1):
            spec = self._spec("/".join(parts[:depth]))
            if spec is not None:
                found = spec.check_file("/".join(parts[depth:]) + tail).include
                if found is not None:
                    return found
        return self._global.match_file(path + tail)

    def ignores_below(self, path: str) -> bool:
        """Whether the path or one of its folders is ignored."""
        parts = path.split("/")
        folders = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        return any(self.ignores(f, is_folder=True) for f in folders) or self.ignores(path)


def relative(root: Path, path: Path) -> str | None:
    """Returns ``path`` relative to the root with ``/``, symlinked folders resolved, or None."""
    real = path.parent.resolve() / path.name
    try:
        return os.fspath(real.relative_to(root))
    except ValueError:
        return None
