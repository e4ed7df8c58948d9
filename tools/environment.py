"""Builds what the project needs to run from this checkout; runs on any Python 3.

    python3 tools/environment.py python   the virtual environment .venv, as uv.lock says
    python3 tools/environment.py neovim   Neovim from the system's package manager, if missing

Both do nothing when nothing is to be done. PyTorch comes without CUDA where there is no NVIDIA
GPU, from PyTorch's own index; where that can't be reached, from the configured one, as locked.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
VENV = REPO / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / ".set-up"
MIN_PYTHON = (3, 10)
INDEX_TIMEOUT_S = 5

NEOVIM_INSTALL = {
    "apt-get": "apt-get install -y neovim",
    "dnf": "dnf install -y neovim",
    "pacman": "pacman -S --noconfirm neovim",
    "zypper": "zypper --non-interactive install neovim",
    "apk": "apk add neovim",
    "brew": "brew install neovim",
}


class SetupError(Exception):
    """Says in one line what is missing and what to do about it."""


def set_up_python() -> None:
    """Makes ``.venv`` hold what uv.lock names, this project (editable) and the test tools."""
    wanted = _fingerprint()
    if STAMP.exists() and STAMP.read_text("utf-8") == wanted and _runs(PYTHON):
        return
    uv = _find_uv()
    if uv:
        _install_with_uv(uv)
    else:
        _install_with_pip()
    STAMP.write_text(wanted, "utf-8")


def set_up_neovim() -> None:
    """Installs Neovim where that needs no question, else says the command to type."""
    if shutil.which("nvim"):
        return
    manager = next((name for name in NEOVIM_INSTALL if shutil.which(name)), None)
    if manager is None:
        raise SetupError("Neovim is missing; get it from https://neovim.io and put it on the PATH.")
    command = NEOVIM_INSTALL[manager].split()
    rights: list[str] = []
    if manager != "brew" and os.getuid() != 0:
        if subprocess.call(["sudo", "-n", "true"], stderr=subprocess.DEVNULL) != 0:
            raise SetupError(f"Neovim is missing. Type this once: sudo {' '.join(command)}")
        rights = ["sudo", "-n"]
    print(f"Neovim is missing; running: {' '.join(command)}", flush=True)
    if manager == "apt-get":
        subprocess.call([*rights, "apt-get", "update", "-q=2"])
    if subprocess.call([*rights, *command]) != 0 or not shutil.which("nvim"):
        raise SetupError(f"Neovim can't be installed; try by hand: {' '.join(command)}")


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "uv.lock", "tools/environment.py"):
        digest.update((REPO / name).read_bytes())
    return f"{digest.hexdigest()} {REPO}"


def _runs(python: Path) -> bool:
    try:
        return subprocess.call([str(python), "-c", ""], stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def _find_uv() -> str | None:
    """Returns uv: the person's own, else one in a cache directory outside the checkout."""
    found = os.environ.get("UV") or shutil.which("uv")
    if found:
        return found
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    home = Path(base) / "assistant-dev" / "uv"
    cached = home / "bin" / "uv"
    if not _runs_uv(cached):
        print("Getting uv, which installs the rest", flush=True)
        shutil.rmtree(str(home), ignore_errors=True)
        made = subprocess.call([sys.executable, "-m", "venv", str(home)]) == 0
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "-q", "uv"]
        if not made or subprocess.call(pip) != 0:
            print("uv can't be had here; going on with pip", flush=True)
            return None
    return str(cached)


def _runs_uv(path: Path) -> bool:
    try:
        return subprocess.call([str(path), "--version"], stdout=subprocess.DEVNULL) == 0
    except OSError:
        return False


def _install_with_uv(uv: str) -> None:
    if not _runs(PYTHON):
        _run([uv, "venv", "--clear", str(VENV)])
    if not _torch_index_answers(uv):
        print("PyTorch's own index can't be reached; taking the build that is locked", flush=True)
        _run([uv, "sync", "--frozen"])
        return
    # PyTorch's builds differ from the locked one in their hash and in what they need, so the lock
    # serves as constraints, without the CUDA libraries of the build that it names.
    constraints = VENV / "constraints.txt"
    constraints.write_text(_export(uv), "utf-8")
    install = [uv, "pip", "install", "--python", str(PYTHON), "--torch-backend=auto"]
    _run([*install, "-c", str(constraints), "--group", "dev", "-e", "."])


def _torch_index_answers(uv: str) -> bool:
    """Returns whether PyTorch's own index has the locked release for this machine.

    uv itself chooses the build: the one that fits the machine's GPU, or the one without CUDA.
    """
    pins = re.findall(r"^torch==.*$", _export(uv), re.MULTILINE)
    options = ["-q", "--python", str(PYTHON), "--torch-backend=auto", "--no-deps"]
    limits = {"UV_HTTP_TIMEOUT": str(INDEX_TIMEOUT_S), "UV_HTTP_RETRIES": "0"}
    try:
        done = subprocess.run(
            [uv, "pip", "compile", *options, "-"],
            input="\n".join(pins),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **limits},
            timeout=4 * INDEX_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _export(uv: str) -> str:
    """Returns the lock as pinned requirements, without the libraries of CUDA."""
    done = subprocess.run(
        [uv, "export", "-q", "--frozen", "--no-hashes", "--no-emit-project", "--no-annotate"],
        cwd=str(REPO),
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode != 0:
        raise SetupError("uv can't read uv.lock; a newer uv may ('pip install -U uv').")
    lines = done.stdout.splitlines()
    return "\n".join(x for x in lines if not re.match(r"(nvidia-(?!ml-py)|cuda-|triton)", x)) + "\n"


def _install_with_pip() -> None:
    if sys.version_info < MIN_PYTHON:
        raise SetupError(
            "Python 3.10 or newer is needed; this is {}.{}.".format(*sys.version_info[:2])
        )
    _run([sys.executable, "-m", "venv", "--clear", str(VENV)])
    _run([str(PYTHON), "-m", "pip", "install", "-q", "--upgrade", "pip>=25.1"])
    _run([str(PYTHON), "-m", "pip", "install", "--group", "dev", "-e", "."])


def _run(argv: list[str]) -> None:
    if subprocess.call(argv, cwd=str(REPO)) != 0:
        raise SetupError(f"this command failed, see above: {' '.join(argv)}")


def main(arguments: list[str]) -> int:
    steps = {"python": set_up_python, "neovim": set_up_neovim}
    if len(arguments) != 1 or arguments[0] not in steps:
        print(__doc__)
        return 2
    try:
        steps[arguments[0]]()
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
