"""Is the main of the embedded engine's process: one llama.cpp server on a unix socket.

The parent writes one JSON line of settings to stdin and keeps stdin open for as long as it lives;
one JSON line on stdout says "ready" or why not. Everything that llama.cpp prints goes to stderr.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from typing import Any

_PR_SET_PDEATHSIG = 1
_IDLE_SECONDS = 30 * 60
"""After this long without a request llama.cpp frees the model; the next request loads it again."""


def main() -> None:
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _die_with_parent()
    settings = json.loads(sys.stdin.buffer.readline() or b"{}")
    if not settings:
        return
    try:
        server = _serve(settings)
    except ImportError as error:
        _say(answer, {"error": f"The package xllamacpp can't be loaded: {error}"})
        return
    except RuntimeError:
        _say(answer, {"error": "llama.cpp can't load the model file; it may be damaged."})
        return
    _say(answer, {"ready": True, "place": _place()})
    sys.stdin.buffer.read()
    del server
    # llama.cpp's threads would be joined at exit, which can wait for a whole batch.
    os._exit(0)


def _serve(settings: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["model"]
    params.hostnames = [settings["socket"]]
    params.n_ctx = settings["num_ctx"]
    # A cancel is seen between batches only, so they are small.
    params.n_batch = settings["n_batch"]
    params.n_ubatch = settings["n_ubatch"]
    params.n_parallel = settings["slots"]
    params.kv_unified = True
    params.cache_ram_mib = 0
    params.sleep_idle_seconds = _IDLE_SECONDS
    params.warmup = False
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 1
    params.offline = True
    return xllamacpp.Server(params)


def _place() -> str:
    """Returns where llama.cpp runs a model on this machine: "GPU" if it finds one, else "CPU"."""
    import xllamacpp

    kinds = {device["type"].name for device in xllamacpp.get_device_info()}
    return "GPU" if any(kind.endswith(("_GPU", "_IGPU")) for kind in kinds) else "CPU"


def _say(answer: Any, message: dict[str, Any]) -> None:
    answer.write(json.dumps(message) + "\n")
    answer.flush()


def _die_with_parent() -> None:
    """Asks Linux for a SIGKILL when the parent dies; end of file on stdin does the rest elsewhere.

    Loading a model keeps the interpreter from noticing that end of file.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
