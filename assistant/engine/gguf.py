"""Reads the metadata of a GGUF file: what llama.cpp's server does not tell. No tensors.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3).
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

from assistant.engine import metadata
from assistant.engine.base import ModelInfo
from assistant.errors import ModelMissing, RequestFailed

_MAGIC = b"GGUF"
_STRING, _ARRAY = 8, 9
_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_MOST_ENTRIES = 4_000_000
_LONGEST_STRING = 16 << 20


def read_metadata(path: Path) -> dict[str, Any]:
    """Returns all key-value pairs of the file.

    Raises ModelMissing where there is no such file, RequestFailed where it can't be read or is no
    whole GGUF file.
    """
    try:
        with path.open("rb") as file:
            return _Reader(file).metadata()
    except FileNotFoundError:
        raise ModelMissing(
            f"There is no model file at {path}.", hint="Set llamacpp.model_path to a GGUF file."
        ) from None
    except OSError as error:
        raise RequestFailed(f"The model file {path} can't be read: {error.strerror}.") from error
    except (_NotGguf, struct.error, UnicodeDecodeError) as error:
        raise RequestFailed(
            f"{path} is no whole GGUF file.", hint="Fetch it again, or choose another model."
        ) from error


def describe(path: Path, name: str) -> ModelInfo:
    """Returns what the file itself says about its model."""
    meta = read_metadata(path)
    architecture = str(meta.get("general.architecture") or "")
    return ModelInfo(
        name=name,
        size_bytes=path.stat().st_size,
        family=architecture,
        parameters=str(meta.get("general.size_label") or ""),
        capabilities=_capabilities(meta, architecture),
        context_length=metadata.context_length(meta),
        fim_tokens=metadata.fim_tokens(meta),
        fim_order=metadata.fim_order(meta),
        base_name=metadata.base_name(meta),
    )


def _capabilities(meta: dict[str, Any], architecture: str) -> frozenset[str]:
    if f"{architecture}.pooling_type" in meta:
        return frozenset({"embedding"})
    capabilities = {"completion"}
    if metadata.has_fim_ids(meta):
        capabilities.add("insert")
    if meta.get("tokenizer.chat_template"):
        capabilities.add("chat")
    return frozenset(capabilities)


class _NotGguf(Exception):
    pass


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def metadata(self) -> dict[str, Any]:
        if self._bytes(4) != _MAGIC or self._scalar("<I") not in (2, 3):
            raise _NotGguf
        self._scalar("<Q")
        pairs = self._scalar("<Q")
        if pairs > _MOST_ENTRIES:
            raise _NotGguf
        return {self._string(): self._value(self._scalar("<I")) for _ in range(pairs)}

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._array(self._scalar("<I"), self._scalar("<Q"))
        if kind in _SCALARS:
            return self._scalar(_SCALARS[kind])
        raise _NotGguf

    def _array(self, kind: int, count: int) -> list[Any]:
        if count > _MOST_ENTRIES:
            raise _NotGguf
        if kind in _SCALARS:
            layout = "<" + str(count) + _SCALARS[kind][1]
            return list(struct.unpack(layout, self._bytes(struct.calcsize(layout))))
        return [self._value(kind) for _ in range(count)]

    def _scalar(self, layout: str) -> Any:
        return struct.unpack(layout, self._bytes(struct.calcsize(layout)))[0]

    def _string(self) -> str:
        length = self._scalar("<Q")
        if length > _LONGEST_STRING:
            raise _NotGguf
        # Token texts of some vocabularies are not valid UTF-8 by themselves.
        return self._bytes(length).decode("utf-8", "replace")

    def _bytes(self, count: int) -> bytes:
        raw = self._file.read(count)
        if len(raw) != count:
            raise _NotGguf
        return raw
