"""Coded errors, one class per thing a person can do something about.

Every class carries the code that travels on the wire, one sentence that says what happened
(``message``) and one that says what the person can do (``hint``)::

    AssistantError
     |-- Cancelled            -32800
     |-- ContentModified      -32801
     |-- Superseded           -32802
     |-- RequestFailed        -32803
     |-- EngineUnreachable     1001
     |-- ModelMissing          1002
     |-- IndexNotReady         1003
     |-- EmbedderChanged       1004
     |-- Busy                  1005
     |-- ProtocolVersion       1006
     `-- RemoteForbidden       1007
"""

from __future__ import annotations

from typing import ClassVar

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
NOT_INITIALIZED = -32002


class AssistantError(Exception):
    """Is an expected failure that one plain line can explain."""

    code: ClassVar[int] = -32803
    default_hint: ClassVar[str] = ""
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = self.default_hint if hint is None else hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class Cancelled(AssistantError):
    """Answers a request that its own client cancelled. Never shown to a person."""

    code = -32800


class ContentModified(AssistantError):
    """Answers a request about a document version that the daemon does not have."""

    code = -32801
    retryable = True


class Superseded(AssistantError):
    """Answers a request that a newer one for the same document replaced."""

    code = -32802


class RequestFailed(AssistantError):
    """Answers a request that failed for a known reason without a code of its own."""

    code = -32803


class EngineUnreachable(AssistantError):
    """The engine does not answer."""

    code = 1001
    retryable = True
    default_hint = "Start Ollama with 'ollama serve', or set engine = 'llamacpp'."


class ModelMissing(AssistantError):
    """No model on this machine fits the role."""

    code = 1002
    default_hint = "Fetch one with 'ollama pull qwen2.5-coder:1.5b'."


class IndexNotReady(AssistantError):
    """The project has no index yet."""

    code = 1003
    retryable = True
    default_hint = "Run :AIIndex, or 'assistant index' in the project."


class EmbedderChanged(AssistantError):
    """The vectors on disk were made by another embedder than the one now configured."""

    code = 1004
    default_hint = "Run :AIIndex to embed the project with the configured embedder."


class Busy(AssistantError):
    """Something of which only one may run is already running."""

    code = 1005
    retryable = True


class ProtocolVersion(AssistantError):
    """Client and daemon speak no common protocol version."""

    code = 1006
    default_hint = "Run 'assistant stop' and start the editor again."


class RemoteForbidden(AssistantError):
    """The engine or model is not on this machine and allow_remote is off."""

    code = 1007
    default_hint = "Use a local one, or set allow_remote = true in config.toml if you mean it."
