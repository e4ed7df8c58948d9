"""Runs stylua with the given arguments; builds it once with cargo where it is not installed.

    python tools/stylua.py --check lua plugin

A machine with neither gets one line that says so, and success.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "2.6.0"


def find() -> str | None:
    """Returns the program, from the PATH or the cache outside the checkout."""
    found = shutil.which("stylua")
    if found:
        return found
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    home = Path(base) / "assistant-dev" / f"stylua-{VERSION}"
    program = home / "bin" / "stylua"
    cargo = shutil.which("cargo")
    if not program.exists() and cargo:
        print("Building stylua, once", flush=True)
        subprocess.call(
            [cargo, "install", "-q", "--locked", "--version", VERSION, "--root", home, "stylua"]
        )
    return str(program) if program.exists() else None


def main(arguments: list[str]) -> int:
    program = find()
    if program is None:
        print("stylua is not here, and no cargo to build it with: Lua style is not checked")
        return 0
    return subprocess.call([program, *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
