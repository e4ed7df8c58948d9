"""Opens Neovim with the plugin on, in a project whose index stands (``make run``).

    python tools/run.py [--nvim PROGRAM] PROJECT [ARGUMENTS OF NEOVIM]

The editor opens as soon as lexical search stands; vectors follow in the background.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[1]
ASSISTANT = str(Path(sys.executable).with_name("assistant"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nvim", default="nvim")
    parser.add_argument("project", type=Path)
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    project = options.project.expanduser().resolve()
    if not project.is_dir():
        print(f"{project} is no directory; say DIR=/path/to/project", file=sys.stderr)
        return 1
    print_engine(project)
    index(project)
    os.chdir(project)
    os.execvp(options.nvim, [options.nvim, *plugin_arguments(), *options.arguments])


def print_engine(project: Path) -> None:
    """Starts the daemon and says which engine and models it chose."""
    done = subprocess.run(
        [ASSISTANT, "status", "--json"], cwd=project, stdout=subprocess.PIPE, text=True
    )
    if done.returncode != 0:
        return
    status = json.loads(done.stdout)
    engine, roles = status["engine"], status["roles"]
    print(f"Engine: {engine['name']} {engine['version']}".rstrip())
    for role in ("completion", "chat"):
        print(f"  {role}: {roles.get(role) or 'no model'}")
    for warning in status.get("warnings", []):
        print(f"  {warning}")


def index(project: Path) -> None:
    """Indexes for lexical search and waits for it, then starts the rest without waiting."""
    if subprocess.call([ASSISTANT, "index", str(project), "--lexical-only"]) == 0:
        subprocess.Popen(
            [ASSISTANT, "index", str(project)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


def plugin_arguments() -> list[str]:
    """Returns what puts this checkout on the runtime path, before and after the person's config.

    Before, so that the config can set it up; after, because a plugin manager may have reset the
    path meanwhile.
    """
    folder = str(REPO).replace("\\", "\\\\").replace(",", "\\,").replace("'", "''")
    add = f"let &runtimepath = '{folder},' . &runtimepath"
    again = f"if index(split(&runtimepath, ','), '{folder}') < 0 | {add} | endif"
    return ["--cmd", add, "-c", f"{again} | runtime plugin/assistant.lua"]


if __name__ == "__main__":
    sys.exit(main())
