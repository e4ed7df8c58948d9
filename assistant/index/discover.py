"""Finds the files of a project that may be indexed, and says why each other one may not."""

from __future__ import annotations

import logging
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from assistant.index import git
from assistant.index.ignore import GitIgnores, Rules, relative
from assistant.index.languages import PROSE, language_for
from assistant.index.secrets import has_secret, is_secret_path

__all__ = [
    "Discovery",
    "Folders",
    "Found",
    "discover",
    "examine",
    "is_secret_path",
    "look_at",
    "text_reason",
]

log = logging.getLogger(__name__)

MAX_FILE_BYTES = 1024 * 1024
_BINARY_HEAD = 8192
_GENERATED_HEAD = 1024
_GENERATED = re.compile(
    rb"^\s*(#|//|/\*|\*|--|;|<!--)[^\n]*(@generated\b|Code generated [^\n]*DO NOT EDIT)",
    re.MULTILINE,
)
_LONG_LINE = 20_000
_DENSE_BYTES = 4096
_DENSE_LINE = 400
"""A file of code over 4 KiB whose lines are over 400 bytes on average was made by a tool."""


@dataclass(frozen=True)
class Found:
    """Is one file that may be indexed as far as its name and its directory entry say."""

    path: str
    size: int
    mtime_ns: int


@dataclass
class Discovery:
    files: list[Found] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)


def discover(root: Path, rules: Rules, should_stop: Callable[[], bool]) -> Discovery:
    """Returns the files below ``root`` that may be indexed, and counts the others by reason.

    What git ignores is not counted. Without git, or without a repository that it trusts, the
    ignore files are read here.
    """
    discovery = Discovery()
    has_git = not git.is_ignored(root)
    listing = git.list_files(root, with_ignored=rules.brings_back) if has_git else None
    if listing is None:
        candidates: Iterator[tuple[str, bool]] = _walk(root, rules, discovery.skipped)
    else:
        ignored = [path for path in listing.ignored if rules.is_brought_back(path)]
        candidates = iter([(path, False) for path in listing.files] + [(p, True) for p in ignored])
    folders = Folders(root)
    for path, is_ignored in candidates:
        if should_stop():
            break
        found = look_at(folders, path, rules, is_ignored=is_ignored)
        if isinstance(found, Found):
            discovery.files.append(found)
        else:
            discovery.skipped[found] += 1
    discovery.files.sort(key=lambda file: file.path)
    return discovery


class Folders:
    """Knows which folders below the root are real: git lists what a planted index names behind
    a symlink, too.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real: dict[str, bool] = {"": True}

    def is_real(self, folder: str) -> bool:
        if folder not in self._real:
            parent = folder.rpartition("/")[0]
            self._real[folder] = self.is_real(parent) and not os.path.islink(self.root / folder)
        return self._real[folder]


def look_at(folders: Folders, path: str, rules: Rules, *, is_ignored: bool = False) -> Found | str:
    """Returns a file as its name and directory entry show it, or the reason to leave it out."""
    reason = rules.reason(path, is_ignored=is_ignored)
    if reason is not None:
        return reason
    if not _is_unicode(path):
        return "encoding"
    if not folders.is_real(path.rpartition("/")[0]):
        return "symlink"
    try:
        entry = os.lstat(folders.root / path)
    except OSError as error:
        return "missing" if isinstance(error, FileNotFoundError) else "unreadable"
    if stat.S_ISLNK(entry.st_mode):
        return "symlink"
    if not stat.S_ISREG(entry.st_mode):
        return "special"
    if entry.st_size > MAX_FILE_BYTES:
        return "large"
    return Found(path, entry.st_size, entry.st_mtime_ns)


def _is_unicode(path: str) -> bool:
    # Neither the ledger nor JSON can carry a name that is not UTF-8.
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _walk(root: Path, rules: Rules, skipped: Counter[str]) -> Iterator[tuple[str, bool]]:
    """Yields paths and whether a ``.gitignore`` has them; never follows a symlink."""
    ignores = GitIgnores(root)
    stack: list[tuple[str, bool]] = [("", False)]
    while stack:
        folder, is_ignored = stack.pop()
        try:
            entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
        except OSError as error:
            log.info("%s can't be listed: %s", folder or root, error)
            skipped["unreadable"] += 1
            continue
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if not entry.is_dir(follow_symlinks=False):
                hidden = is_ignored or ignores.ignores(path)
                if not hidden or rules.is_brought_back(path):
                    yield path, hidden
                continue
            hidden = is_ignored or ignores.ignores(path, is_folder=True)
            if not rules.prunes(path) and (rules.brings_back or not hidden):
                stack.append((path, hidden))


def text_reason(path: str, data: bytes, rules: Rules) -> str | None:
    """Returns the reason to leave a file out that its content gives, or None."""
    if b"\0" in data[:_BINARY_HEAD]:
        return "binary"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "encoding"
    if has_secret(data) and not rules.is_open_secret(path):
        return "secret"
    if rules.is_brought_back(path):
        return None
    if _GENERATED.search(data[:_GENERATED_HEAD]):
        return "generated"
    return "minified" if _is_dense(path, data) else None


def _is_dense(path: str, data: bytes) -> bool:
    if len(data) < _DENSE_BYTES:
        return False
    language = language_for(Path(path))
    average = len(data) / (data.count(b"\n") + 1)
    if average > _DENSE_LINE and language is not None and language not in PROSE:
        return True
    return average > _DENSE_LINE and max(map(len, data.split(b"\n"))) > _LONG_LINE


def examine(root: Path, path: Path, rules: Rules) -> Found | str:
    """Looks at one file as ``discover`` would; returns it, or the reason to leave it out."""
    name = relative(root, path)
    if name is None:
        return "outside"
    if not os.path.lexists(root / name):
        return "missing"
    listed = git.is_listed(root / name)
    if listed is None or (not listed and git.is_ignored(root)):
        listed = not GitIgnores(root).ignores_below(name)
    return look_at(Folders(root), name, rules, is_ignored=not listed)
