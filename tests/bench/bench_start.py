"""Measures what the plugin adds to Neovim's start, on every release that this machine has.

    make bench-start

Two figures: the time that Neovim itself reports for sourcing the plugin, and the difference of the
medians of whole starts with and without it. The budget is 2 ms.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile
from pathlib import Path

from tools.neovim import NeovimBuild, builds

REPO = Path(__file__).resolve().parents[2]
RUNS = 15


def start_ms(build: NeovimBuild, arguments: list[str], log: Path) -> tuple[float, float]:
    """Returns the whole start and the part spent in the plugin's file, in milliseconds."""
    log.unlink(missing_ok=True)
    subprocess.run(
        [*build.argv, "--headless", "--clean", *arguments, "--startuptime", str(log), "+qa"],
        capture_output=True,
        check=True,
    )
    text = log.read_text("utf-8", "replace")
    total = max(float(match) for match in re.findall(r"^(\d+\.\d+)  ", text, re.MULTILINE))
    plugin = re.search(r"(\d+\.\d+)\s+\d+\.\d+: sourcing \S*plugin/assistant\.lua", text)
    return total, float(plugin[1]) if plugin else 0.0


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "startuptime"
        for build in builds():
            if build.missing_reason:
                print(f"{build.name:8} skipped: {build.missing_reason}")
                continue
            # Taken in turns, so that a busy moment of the machine hits both alike.
            pairs = [
                (start_ms(build, [], log), start_ms(build, ["--cmd", f"set rtp^={REPO}"], log))
                for _ in range(RUNS)
            ]
            without = statistics.median(plain[0] for plain, _ in pairs)
            whole = statistics.median(loaded[0] for _, loaded in pairs)
            sourced = statistics.median(loaded[1] for _, loaded in pairs)
            print(
                f"{build.name:8} sourcing the plugin {sourced:.2f} ms; whole start "
                f"{without:.1f} -> {whole:.1f} ms ({whole - without:+.1f})"
            )


if __name__ == "__main__":
    main()
