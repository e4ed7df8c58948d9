"""The schema of the options, one class per section, as a person may set them.

``config.toml``, ``.assistant.toml``, ``ASSISTANT_*`` and the editor's options all end here. Where
a value came from is the business of ``config.py``.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

EngineName = Literal["auto", "ollama", "llamacpp", "project"]
Tier = Literal[
    "auto", "minimum", "cpu", "gpu4", "recommended", "gpu12", "optimal", "gpu24", "apple"
]
LogLevel = Literal["debug", "info", "warning", "error"]


class Section(BaseModel):
    """Is one table of the options; an unknown key or a wrong type is an error that names it."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class OllamaSettings(Section):
    host: str | None = Field(
        None, description="Address of Ollama; default: OLLAMA_HOST, else 127.0.0.1:11434."
    )


class LlamacppSettings(Section):
    model_path: str | None = Field(
        None, description="GGUF file for the embedded engine; default: the bundled model."
    )
    url: str | None = Field(
        None,
        description="Address of a llama-server that already runs, instead of the embedded one.",
    )


class CompletionSettings(Section):
    enabled: bool = Field(True, description="Suggest while typing.")
    model: str | None = Field(
        None,
        description="Model for completion; default: the best installed one that fills in the middle.",
    )
    debounce_ms: Literal["auto"] | int = Field(
        "auto", description="Pause after a key before asking, in milliseconds."
    )
    max_lines: int = Field(12, ge=1, le=200, description="Longest suggestion, in lines.")
    context_tokens: Literal["auto"] | int = Field(
        "auto", description="Most prompt tokens per completion."
    )
    filetypes: dict[str, bool] = Field(
        default_factory=dict, description="Switches completion per filetype; '*' is the default."
    )
    exclude: list[str] = Field(
        default_factory=list, description="Path globs in which nothing is suggested."
    )


class ChatSettings(Section):
    model: str | None = Field(
        None,
        description="Model for chat and explanations; default: the best installed one that chats.",
    )
    position: Literal["right", "left", "below", "above", "tab", "float"] = Field(
        "right", description="Where the chat opens."
    )
    width: int = Field(80, ge=20, le=400, description="Width of the chat split, in columns.")
    history: bool = Field(True, description="Keep chats on disk; has no effect yet.")
    retrieve: bool = Field(True, description="Look up the project's own code for each question.")


class EditSettings(Section):
    model: str | None = Field(None, description="Model for edits; has no effect yet.")


class IndexSettings(Section):
    auto: bool = Field(True, description="Index a project when one of its files is opened.")
    embedder: str = Field(
        "auto",
        pattern=r"^(auto|st:.+|ollama:.+)$",
        description="'auto' (bundled), 'st:NAME_OR_DIR' or 'ollama:NAME'.",
    )
    exclude: list[str] = Field(
        default_factory=list, description="Path globs that are never indexed."
    )
    include_secrets: list[str] = Field(
        default_factory=list,
        description="Paths to index although they look like secrets; config.toml only.",
    )
    chroma_url: str | None = Field(
        None, description="Address of a Chroma server of your own, instead of the embedded one."
    )


class Settings(Section):
    engine: EngineName = Field("auto", description="Which engine runs the models.")
    ollama: OllamaSettings = OllamaSettings()
    llamacpp: LlamacppSettings = LlamacppSettings()
    allow_remote: bool = Field(
        False, description="Allow engines and models that are not on this machine."
    )
    tier: Tier = Field("auto", description="Hardware tier; default: what the machine has.")
    completion: CompletionSettings = CompletionSettings()
    chat: ChatSettings = ChatSettings()
    edit: EditSettings = EditSettings()
    index: IndexSettings = IndexSettings()
    log_level: LogLevel = Field("info", description="Detail of the daemon's log.")
    idle_minutes: int = Field(
        30, ge=0, description="Minutes without a client after which the daemon ends."
    )
