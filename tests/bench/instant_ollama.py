"""An Ollama that answers in no time, so that a benchmark measures everything but the model."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "qwen2.5-coder:1.5b"
ANSWER = "compute_total(values, start=0)"

_DETAILS = {"family": "qwen2", "parameter_size": "1.5B"}
_TAG = {"name": MODEL, "model": MODEL, "size": 1_000_000_000, "digest": "0" * 64}
_ANSWERS: dict[str, Any] = {
    "/api/version": {"version": "0.24.0"},
    "/api/tags": {"models": [{**_TAG, "details": _DETAILS}]},
    "/api/ps": {"models": []},
    "/api/show": {
        "details": _DETAILS,
        "capabilities": ["completion", "insert"],
        "model_info": {"general.architecture": "qwen2", "qwen2.context_length": 32768},
    },
}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._send([_ANSWERS.get(self.path, {})])

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/generate":
            done = {"response": "", "done": True, "done_reason": "stop", "prompt_eval_count": 50}
            self._send([{"response": ANSWER, "done": False}, done])
        else:
            self._send([_ANSWERS.get(self.path, {})])

    def _send(self, objects: list[dict[str, Any]]) -> None:
        body = b"".join(json.dumps({"model": MODEL, **part}).encode() + b"\n" for part in objects)
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        del format, args


@contextmanager
def instant_ollama() -> Iterator[str]:
    """Yields the address of a server that is gone afterwards."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
