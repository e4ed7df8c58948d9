"""Where things live on disk. XDG on every platform, all of it movable at once by ASSISTANT_HOME.

The remote plugin (``rplugin/python3/assistant_host``) repeats ``daemon_lock_path`` with the
standard library alone; a test compares the two.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from platformdirs.unix import Unix

from assistant.errors import RequestFailed

_SOCKET_PATH_LIMIT = 100
"""Unix socket paths end at 107 bytes on Linux and 103 on macOS."""


def _home() -> Path | None:
    value = os.environ.get("ASSISTANT_HOME")
    return Path(value).expanduser().absolute() if value else None


def config_dir() -> Path:
    """Returns the directory of ``config.toml``: the XDG one, unless ASSISTANT_HOME has its own."""
    home = _home()
    if home is not None and (home / "config" / "config.toml").is_file():
        return home / "config"
    return Path(Unix("assistant", appauthor=False).user_config_dir)


def data_dir() -> Path:
    home = _home()
    return home / "data" if home else Path(Unix("assistant", appauthor=False).user_data_dir)


def cache_dir() -> Path:
    home = _home()
    return home / "cache" if home else Path(Unix("assistant", appauthor=False).user_cache_dir)


def log_path() -> Path:
    return cache_dir() / "daemon.log"


def daemon_lock_path() -> Path:
    return data_dir() / "daemon.lock"


def private_dir(path: Path) -> Path:
    """Creates ``path`` for this user alone (0700) and returns it. Raises RequestFailed."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise RequestFailed(
            f"{path} can't be made: {reason}.",
            hint="Make it writable, or set ASSISTANT_HOME to a directory that is.",
        ) from error
    return path


def runtime_dir() -> Path:
    """Returns the 0700 directory for sockets, short enough for a socket path on this system."""
    home = _home()
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    candidates = [home / "run"] if home else [Path(runtime) / "assistant"] if runtime else []
    for candidate in candidates:
        if len(os.fsencode(candidate / "engine-00000000.sock")) <= _SOCKET_PATH_LIMIT:
            return candidate
    # One directory per user and per data directory, so that tests with an ASSISTANT_HOME of
    # their own never meet the person's daemon.
    digest = hashlib.sha256(os.fsencode(data_dir())).hexdigest()[:8]
    for base in (tempfile.gettempdir(), "/tmp"):
        candidate = Path(base) / f"assistant-{os.getuid()}-{digest}"
        if len(os.fsencode(candidate / "engine-00000000.sock")) <= _SOCKET_PATH_LIMIT:
            return candidate
    raise OSError(f"no directory with a path short enough for a socket (tried {candidate})")


def socket_path() -> Path:
    return runtime_dir() / "daemon.sock"


def workspace_dir(root: Path) -> Path:
    """Returns the directory that holds the index of the workspace at ``root``."""
    real = root.resolve()
    digest = hashlib.sha256(os.fsencode(real)).hexdigest()[:12]
    name = "".join(c if c.isalnum() or c in "-_." else "-" for c in real.name)[:40] or "root"
    return data_dir() / "index" / f"{name}-{digest}"
