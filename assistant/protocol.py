"""Every message of the daemon's JSON-RPC, as pydantic models. The Lua side mirrors the names.

Positions on the wire are 0-based lines and 0-based UTF-8 byte columns. ``MIN_VERSION`` to
``VERSION`` are the protocol versions that this daemon speaks.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from assistant.base import Hit, Position, Range, Snippet, Source, WireModel

VERSION: Final = 1
MIN_VERSION: Final = 1
MAX_DOCUMENT_BYTES: Final = 1024 * 1024

EDITOR: Final = "neovim"
"""Name that the plugin gives for itself in ``initialize``."""

Token = int | str


class Method:
    """Names every method, as on the wire."""

    INITIALIZE: Final = "initialize"
    INITIALIZED: Final = "initialized"
    SHUTDOWN: Final = "shutdown"
    EXIT: Final = "exit"
    DID_OPEN: Final = "textDocument/didOpen"
    DID_CHANGE: Final = "textDocument/didChange"
    DID_SAVE: Final = "textDocument/didSave"
    DID_CLOSE: Final = "textDocument/didClose"
    DID_CHANGE_CONFIGURATION: Final = "workspace/didChangeConfiguration"
    INLINE_COMPLETION: Final = "textDocument/inlineCompletion"
    PROGRESS: Final = "$/progress"
    CANCEL_REQUEST: Final = "$/cancelRequest"
    DID_SHOW: Final = "assistant/didShow"
    DID_ACCEPT: Final = "assistant/didAccept"
    DID_DISMISS: Final = "assistant/didDismiss"
    CHAT: Final = "assistant/chat"
    CONTEXT: Final = "assistant/context"
    INDEX: Final = "assistant/index"
    INDEX_STATUS: Final = "assistant/indexStatus"
    CLEAR_INDEX: Final = "assistant/clearIndex"
    SEARCH: Final = "assistant/search"
    MODELS: Final = "assistant/models"
    SET_MODEL: Final = "assistant/setModel"
    STATUS: Final = "assistant/status"
    STOP: Final = "assistant/stop"
    SHOW_MESSAGE: Final = "window/showMessage"
    LOG_MESSAGE: Final = "window/logMessage"


class Empty(WireModel):
    pass


class ClientInfo(WireModel):
    name: str = "unknown"
    version: str = ""


class ClientCapabilities(WireModel):
    streaming: bool = True


class InitializeParams(WireModel):
    process_id: int | None = None
    client_info: ClientInfo = ClientInfo()
    protocol_version: int
    root_uri: str | None = None
    capabilities: ClientCapabilities = ClientCapabilities()
    initialization_options: dict[str, Any] | None = None


class ServerInfo(WireModel):
    name: str = "assistant"
    version: str


class InitializeResult(WireModel):
    server_info: ServerInfo
    protocol_version: int
    position_encoding: Literal["utf-8"] = "utf-8"
    capabilities: dict[str, Any]
    hardware_tier: str
    models: dict[str, str | None]
    """Role (completion, chat, edit, embedding) to model name; None where there is none yet."""


class TextDocumentItem(WireModel):
    uri: str
    language_id: str = ""
    version: int
    text: str


class DidOpenParams(WireModel):
    text_document: TextDocumentItem


class VersionedTextDocument(WireModel):
    uri: str
    version: int


class TextDocumentId(WireModel):
    uri: str


class ContentChange(WireModel):
    """Replaces ``range`` by ``text``, or the whole document where there is no range."""

    range: Range | None = None
    text: str


class DidChangeParams(WireModel):
    text_document: VersionedTextDocument
    content_changes: list[ContentChange]


class DidSaveParams(WireModel):
    text_document: TextDocumentId


class DidCloseParams(WireModel):
    text_document: TextDocumentId


class DidChangeConfigurationParams(WireModel):
    settings: dict[str, Any] | None = None


class CompletionContext(WireModel):
    trigger_kind: Literal[1, 2] = 2
    """1 invoked by the person, 2 automatic."""


class InlineCompletionParams(WireModel):
    text_document: VersionedTextDocument
    position: Position
    context: CompletionContext = CompletionContext()
    partial_result_token: Token | None = None


class CompletionItem(WireModel):
    id: str
    insert_text: str
    range: Range
    stop_reason: str | None = None


class Timings(WireModel):
    """In milliseconds; -1 where nothing of the kind happened."""

    retrieve: float = -1.0
    first_token: float = -1.0
    total: float = -1.0


class InlineCompletionResult(WireModel):
    items: list[CompletionItem]
    is_incomplete: bool = False
    timings: Timings = Timings()
    reason: str | None = None
    """Why there are no items: the filter's name, "disabled", "no-model"; None where there are some."""
    engine: str | None = None
    model: str | None = None


class CompletionPartial(WireModel):
    kind: Literal["partial"] = "partial"
    item_id: str
    text: str
    """The whole text so far, so that a lost message does no harm."""


class ChatPartial(WireModel):
    kind: Literal["partial"] = "partial"
    text: str
    """The new text only. Empty while ``state`` is all there is to say."""
    state: Literal["retrieving", "loading", "reading", "thinking", "writing"] = "writing"


class WorkProgress(WireModel):
    kind: Literal["begin", "report", "end"]
    title: str | None = None
    message: str | None = None
    percentage: int | None = None


class ProgressParams(WireModel):
    token: Token
    value: dict[str, Any]


class CancelParams(WireModel):
    id: int | str


class ItemParams(WireModel):
    item_id: str
    accepted_length: int | None = None


class Message(WireModel):
    role: Literal["system", "user", "assistant"]
    content: str


class Attachment(WireModel):
    kind: Literal[
        "buffer", "selection", "file", "function", "symbol", "diagnostics", "diff", "codebase"
    ]
    uri: str | None = None
    range: Range | None = None
    name: str | None = None
    text: str | None = None


class ChatParams(WireModel):
    root_uri: str | None = None
    chat_id: str | None = None
    action: Literal["chat", "explain"] = "chat"
    messages: list[Message] = Field(default_factory=list)
    attachments: list[Attachment] = Field(default_factory=list)
    retrieve: bool | None = None
    partial_result_token: Token | None = None


class ChatTokens(WireModel):
    prompt: int
    answer: int
    limit: int


class ChatResult(WireModel):
    message: Message
    sources: list[Source]
    tokens: ChatTokens
    dropped: list[str]
    model: str | None = None
    """None where no chat model is installed and the answer is what the index found."""


class ContextParams(WireModel):
    text_document: VersionedTextDocument
    position: Position


class PromptTokens(WireModel):
    prompt: int
    limit: int


class ContextTimings(WireModel):
    retrieve: float
    total: float


class ContextResult(WireModel):
    path: str
    prefix: str
    suffix: str
    snippets: list[Snippet]
    prompt: str
    tokens: PromptTokens
    milliseconds: ContextTimings
    model: str | None = None
    engine: str | None = None


class IndexParams(WireModel):
    root_uri: str
    force: bool = False
    lexical_only: bool = False
    work_done_token: Token | None = None


class IndexResult(WireModel):
    root: str
    files: int
    chunks: int
    embedded: int
    reused: int
    removed: int
    skipped: dict[str, int]
    seconds: float
    languages: dict[str, int]


class RootParams(WireModel):
    root_uri: str


class IndexStatus(WireModel):
    """``state``: none (never indexed), lexical (searchable, vectors follow), ready, running."""

    root: str
    state: Literal["none", "lexical", "ready", "running"]
    files: int = 0
    chunks: int = 0
    vectors: int = 0
    fingerprint: str | None = None
    last_run: float | None = None
    """Unix time of the end of the last whole run."""


class SearchParams(WireModel):
    root_uri: str
    query: str
    limit: int = Field(10, ge=1, le=200)


class SearchResult(WireModel):
    query: str
    hits: list[Hit]
    milliseconds: float
    vectors: bool
    """Whether the searcher took part; False means that the results are lexical only."""


class ModelsResult(WireModel):
    engine: str
    roles: dict[str, str | None]
    installed: list[str]


class SetModelParams(WireModel):
    role: Literal["completion", "chat", "edit"]
    name: str


class EngineReport(WireModel):
    name: str
    reachable: bool
    version: str
    models: list[str]
    detail: str = ""


class Latency(WireModel):
    """Of completions since the daemon started, in milliseconds; -1 before the first."""

    p50: float = -1.0
    p95: float = -1.0


class StatusResult(WireModel):
    version: str
    pid: int
    uptime_seconds: float
    clients: int
    socket: str
    engine: EngineReport
    roles: dict[str, str | None]
    hardware_tier: str
    latency_ms: Latency
    index: list[IndexStatus]
    warnings: list[str] = Field(default_factory=list)


class ShowMessageParams(WireModel):
    type: Literal[1, 2, 3, 4]
    """1 error, 2 warning, 3 info, 4 log, as in LSP."""
    message: str
