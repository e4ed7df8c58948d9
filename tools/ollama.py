"""Finds a real Ollama server for the tests, or builds one where Go can.

    python tools/ollama.py find    print the program, or say why there is none
    python tools/ollama.py fetch   find it, else build it into the cache (minutes, once)

People get Ollama the ordinary way; this is for machines that have none. The build is the last
release whose CPU runner is compiled in by cgo. Its module archive lacks the headers that its
``vendor`` folder would hold: two come from Debian's packages nlohmann-json3-dev and libstb-dev,
one from the source distribution of the Python package miniaudio.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "0.24.0"
MODULE = f"github.com/ollama/ollama@v{VERSION}"
MINIAUDIO = "miniaudio==1.71"
DEBIAN_HEADERS = {
    "nlohmann-json3-dev": Path("/usr/include/nlohmann/json.hpp"),
    "libstb-dev": Path("/usr/include/stb/stb_image.h"),
}
BUILD_TIMEOUT_S = 3600


class NoOllama(Exception):
    """Says in one line why this machine has no Ollama and can't build one."""


def cache_dir() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "assistant-dev" / f"ollama-{VERSION}"


def find() -> Path | None:
    """Returns the server's program: the one on the PATH, else the one built before."""
    on_path = shutil.which("ollama")
    if on_path:
        return Path(on_path)
    built = cache_dir() / "ollama"
    return built if os.access(built, os.X_OK) else None


def fetch() -> Path:
    """Returns the server's program, building it where there is none yet.

    Raises NoOllama where something that the build needs is missing.
    """
    found = find()
    if found:
        return found
    for program in ("go", "g++"):
        if not shutil.which(program):
            raise NoOllama(f"no ollama on the PATH, and no {program} to build one with")
    with tempfile.TemporaryDirectory(prefix="assistant-ollama-") as name:
        work = Path(name)
        headers = _headers(work)
        return _install(_build(work, headers))


def _headers(work: Path) -> list[Path]:
    """Returns include directories that hold the three headers."""
    missing = [package for package, header in DEBIAN_HEADERS.items() if not header.exists()]
    if missing:
        _apt_install(missing)
    return [_miniaudio(work), Path("/usr/include")]


def _apt_install(packages: list[str]) -> None:
    command = ["apt-get", "install", "-y", "-q", *packages]
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise NoOllama(f"headers are missing; as root: {' '.join(command)}")
    _run(["apt-get", "update", "-q"])
    _run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


def _miniaudio(work: Path) -> Path:
    """Returns a directory that holds miniaudio/miniaudio.h; always the same one, as Go's build
    cache goes by its path.
    """
    target = cache_dir() / "headers" / "miniaudio"
    if (target / "miniaudio.h").exists():
        return target.parent
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        pip = _other_pip()
    options = ["--no-deps", "--no-binary", ":all:", "-q", "-d", str(work)]
    _run([*pip, "download", *options, MINIAUDIO])
    archive = next(work.glob("miniaudio-*.tar.gz"))
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        member = next(m for m in tar.getmembers() if m.name.endswith("miniaudio/miniaudio.h"))
        source = tar.extractfile(member)
        if source is None:
            raise NoOllama(f"{archive.name} holds no miniaudio.h")
        (target / "miniaudio.h").write_bytes(source.read())
    return target.parent


def _other_pip() -> list[str]:
    for program in ("pip3", "pip"):
        if shutil.which(program):
            return [program]
    raise NoOllama("no pip to fetch the header miniaudio.h with")


def _build(work: Path, headers: list[Path]) -> Path:
    tuning = "-O3 -march=x86-64-v3" if platform.machine() == "x86_64" else "-O3"
    environment = {
        **os.environ,
        "GOTOOLCHAIN": "local",
        "GOBIN": str(work / "bin"),
        "CGO_CPPFLAGS": " ".join(f"-I{header}" for header in headers),
        "CGO_CFLAGS": tuning,
        "CGO_CXXFLAGS": tuning,
    }
    # Without its version it calls itself 0.0.0, and clients take it for too old.
    flags = f"-X=github.com/ollama/ollama/version.Version={VERSION}"
    _run(["go", "install", "-ldflags", flags, MODULE], env=environment)
    return work / "bin" / "ollama"


def _install(program: Path) -> Path:
    """Puts the program into the cache in one step, so that a half-copied one is never found."""
    target = cache_dir() / "ollama"
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"ollama.{os.getpid()}")
    shutil.copy2(program, beside)
    beside.replace(target)
    return target


def _run(command: list[str], env: dict[str, str] | None = None) -> None:
    print("+", " ".join(command), file=sys.stderr, flush=True)
    try:
        subprocess.run(command, env=env, check=True, stdout=sys.stderr, timeout=BUILD_TIMEOUT_S)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as error:
        raise NoOllama(f"building Ollama failed at '{command[0]}': {error}") from error


def main(arguments: list[str]) -> int:
    if arguments not in (["find"], ["fetch"]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        found = fetch() if arguments == ["fetch"] else find()
    except NoOllama as error:
        print(f"No Ollama: {error}. Tests that need one are skipped.", file=sys.stderr)
        return 0
    print(found or "No Ollama on the PATH or in the cache; 'fetch' builds one.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
