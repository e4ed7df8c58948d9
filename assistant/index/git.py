"""The only place that runs git. A repository's own configuration never gets to run a command."""

from __future__ import annotations

import logging
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from assistant.index.secrets import is_secret_path

log = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 120.0
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_MAX_DIFF_BYTES = 1024 * 1024
_MAX_SUBMODULE_DEPTH = 8
_SAFE = (
    *("--no-pager", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"),
    *("-c", "core.quotePath=false", "-c", "protocol.allow=never"),
)
_FOREIGN_STATE = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
)


def _git(root: Path, *arguments: str, settings: tuple[str, ...] = ()) -> bytes | None:
    """Returns what git prints, or None where git is missing, refuses or takes too long."""
    environment = {key: value for key, value in os.environ.items() if key not in _FOREIGN_STATE}
    environment.update(
        GIT_OPTIONAL_LOCKS="0", GIT_TERMINAL_PROMPT="0", GIT_NO_LAZY_FETCH="1", LC_ALL="C"
    )
    command = ["git", "-C", str(root), *_SAFE, *settings, *arguments]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            timeout=_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.info("git %s: %s", arguments[0], error)
        return None
    if done.returncode != 0:
        # No repository, or one that git does not trust ("dubious ownership"): both go on without.
        said = done.stderr.decode("utf-8", "replace").strip()
        log.log(logging.INFO if said else logging.DEBUG, "git %s: %s", arguments[0], said)
        return None
    return done.stdout


@dataclass
class Listing:
    """Holds what git lists below a root, as paths relative to it with ``/``."""

    files: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def list_files(root: Path, *, with_ignored: bool = False) -> Listing | None:
    """Returns tracked and untracked files, submodules included, or None without a repository.

    Tracked files that are missing on disk are in the list. ``with_ignored`` also lists what git
    ignores, which may be long.
    """
    listing = Listing()
    if not _list_into(root, "", listing, with_ignored, 0):
        return None
    listing.files = list(dict.fromkeys(listing.files))
    return listing


def _list_into(root: Path, prefix: str, into: Listing, with_ignored: bool, depth: int) -> bool:
    tracked = _git(root, "ls-files", "-s", "-z")
    others = _git(root, "ls-files", "-o", "--exclude-standard", "-z")
    if tracked is None or others is None:
        return False
    nested: list[str] = []
    for entry in _names(tracked):
        stage, _, name = entry.partition("\t")
        if stage.startswith("160000"):
            nested.append(name)
        else:
            into.files.append(prefix + name)
    for name in _names(others):
        # A repository inside this one is listed as a directory.
        (nested if name.endswith("/") else into.files).append(
            name.rstrip("/") if name.endswith("/") else prefix + name
        )
    if with_ignored:
        ignored = _git(root, "ls-files", "-o", "-i", "--exclude-standard", "-z") or b""
        into.ignored.extend(prefix + name for name in _names(ignored) if not name.endswith("/"))
    if depth < _MAX_SUBMODULE_DEPTH:
        for name in nested:
            # Without a checkout git would answer for the outer repository, and never end.
            if (root / name / ".git").exists() and not (root / name).is_symlink():
                _list_into(root / name, f"{prefix}{name}/", into, with_ignored, depth + 1)
    return True


def _names(raw: bytes) -> list[str]:
    return [os.fsdecode(name) for name in raw.split(b"\0") if name]


def is_ignored(folder: Path) -> bool:
    """Whether the repository around a folder ignores it as a whole.

    A project may lie in such a place: in a home directory that is a repository of dotfiles, say.
    """
    return _git(folder, "check-ignore", "-q", ".") is not None


def is_listed(path: Path) -> bool | None:
    """Whether git lists a file as tracked or untracked; None where there is no repository.

    Asked from the file's own directory, so that a submodule answers for its own files.
    """
    name = f":(literal){path.name}"
    found = _git(path.parent, "ls-files", "-co", "--exclude-standard", "-z", "--", name)
    return None if found is None else bool(found)


def diff(root: Path) -> str:
    """Returns the uncommitted changes of tracked files below ``root``; '' where there are none.

    Files that look like secrets are left out; above 1 MiB the rest is cut off.
    """
    has_head = _git(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}") is not None
    raw = _git(
        root,
        *("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "--relative"),
        *("--ignore-submodules=all", "--src-prefix=a/", "--dst-prefix=b/"),
        *("HEAD" if has_head else _EMPTY_TREE, "--"),
        settings=_without_filters(root),
    )
    text = (raw or b"")[:_MAX_DIFF_BYTES].decode("utf-8", "replace")
    sections = _sections(text)
    return "".join(part for part in sections if not is_secret_path(_path_of(part)))


def _without_filters(root: Path) -> tuple[str, ...]:
    """Returns settings that switch off the repository's own filters: a diff would run them."""
    found = _git(root, "config", "--local", "--name-only", "-z", "--get-regexp", r"^filter\.")
    settings: list[str] = []
    for name in _names(found or b""):
        value = "false" if name.endswith(".required") else ""
        settings += ["-c", f"{name}={value}"]
    return tuple(settings)


def _sections(text: str) -> list[str]:
    parts = text.split("\ndiff --git ")
    head = parts[:1] if parts[0] else []
    sections = head + ["diff --git " + part for part in parts[1:]]
    return [part if part.endswith("\n") else part + "\n" for part in sections]


def _path_of(section: str) -> PurePosixPath:
    header = section.partition("\n")[0].removeprefix("diff --git ").replace('"', "")
    # "a/P b/P": both names are the same, as renames are off.
    return PurePosixPath(header[2 : 2 + (len(header) - 5) // 2])
