"""One daemon per data directory: a lock on ``daemon.lock``, which names pid, socket and version."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path

from assistant import __version__, paths
from assistant.errors import Busy


@dataclass(frozen=True)
class LockInfo:
    pid: int
    socket: Path
    version: str


class DaemonLock:
    """Holds the lock for the life of the process; the kernel gives it back, also after kill -9."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or paths.daemon_lock_path()
        self._descriptor: int | None = None

    def acquire(self, socket: Path) -> None:
        """Takes the lock and writes who we are. Raises Busy where another daemon holds it."""
        paths.private_dir(self._path.parent)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            other = read_lock(self._path)
            who = f" (pid {other.pid})" if other else ""
            raise Busy(f"a daemon already runs{who}.", hint="") from error
        content = {"pid": os.getpid(), "socket": str(socket), "version": __version__}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(content).encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Empties the file, then gives the lock back: a reader never finds a dead socket there."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None


def read_lock(path: Path | None = None) -> LockInfo | None:
    """Returns who wrote the lock file, None where there is none or it is empty."""
    try:
        content = json.loads((path or paths.daemon_lock_path()).read_text("utf-8"))
        return LockInfo(int(content["pid"]), Path(content["socket"]), str(content["version"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
