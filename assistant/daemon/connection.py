"""One client: its documents, its options, its handshake. Turns methods into handler calls."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from assistant import config, errors, protocol, text
from assistant.base import WireModel
from assistant.config import Config
from assistant.daemon import handlers
from assistant.daemon.documents import DocumentStore, is_excluded, root_of
from assistant.daemon.logs import request_id
from assistant.errors import ProtocolVersion
from assistant.protocol import Method
from assistant.rpc.session import Params, Request, RpcError, Session, unknown_method

if TYPE_CHECKING:
    from assistant.daemon.services import Services

log = logging.getLogger(__name__)

_CONFIG_SECONDS = 5.0
"""How long a project's options are used before its files are looked at again."""

BEFORE_INITIALIZE = frozenset({Method.INITIALIZE, Method.EXIT})


class Connection:
    """Is the dispatcher of one session."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.documents = DocumentStore()
        self.client = protocol.ClientInfo()
        self.root: Path | None = None
        self.is_initialized = False
        self.session: Session | None = None
        self.completions: dict[str, handlers.Running] = {}
        self._editor_options: dict[str, Any] = {}
        self._configs: dict[Path | None, tuple[float, Config]] = {}
        self._warned: set[str] = set()

    # -- dispatch -----------------------------------------------------------------------

    def request(self, method: str, params: Params, request: Request) -> Awaitable[Any]:
        entry = handlers.REQUESTS.get(method)
        if entry is None:
            raise unknown_method(method)
        if not self.is_initialized and method not in BEFORE_INITIALIZE:
            raise RpcError(errors.NOT_INITIALIZED, "send 'initialize' first")
        model, handler = entry
        return self._answer(handler, _parse(model, params, method), request)

    async def _answer(self, handler: handlers.Handler, params: Any, request: Request) -> Any:
        request_id.set(f"{self.client.name}#{request.id}")
        result = await handler(self, params, request)
        return result.to_wire() if isinstance(result, WireModel) else result

    def notify(self, method: str, params: Params) -> None:
        entry = handlers.NOTIFICATIONS.get(method)
        if entry is None:
            log.info("%s: unknown notification %s", self.client.name, method)
            return
        if not self.is_initialized and method not in BEFORE_INITIALIZE:
            log.warning("%s before initialize, dropped", method)
            return
        model, handler = entry
        handler(self, _parse(model, params, method))

    # -- what the handlers share --------------------------------------------------------

    def initialize(self, params: protocol.InitializeParams) -> None:
        """Takes the client's handshake. Raises ProtocolVersion where no version is common."""
        if not protocol.MIN_VERSION <= params.protocol_version <= protocol.VERSION:
            raise ProtocolVersion(
                f"the client speaks protocol {params.protocol_version}, "
                f"the daemon {protocol.MIN_VERSION} to {protocol.VERSION}."
            )
        self.client = params.client_info
        if self.session is not None:
            self.session.name = params.client_info.name
        path = text.uri_to_path(params.root_uri) if params.root_uri else None
        self.root = Path(path) if path else None
        self.set_options(params.initialization_options)
        self.is_initialized = True

    def set_options(self, options: dict[str, Any] | None) -> None:
        self._editor_options = dict(options or {})
        self._configs.clear()
        self._warn(self.config(self.root))

    def set_option(self, key: str, value: Any) -> None:
        """Sets one option of this connection, as if its editor had sent it."""
        node = self._editor_options
        *parents, last = key.split(".")
        for part in parents:
            inner = node.get(part)
            node[part] = dict(inner) if isinstance(inner, dict) else {}
            node = node[part]
        node[last] = value
        self._configs.clear()

    def leave(self) -> None:
        """Ends this connection; the daemon lives on for the others."""
        if self.session is not None:
            self.services.background(self.session.close())

    def config(self, root: Path | None) -> Config:
        """Returns the options in force for a project on this connection."""
        now = time.monotonic()
        known = self._configs.get(root)
        if known is not None and now - known[0] < _CONFIG_SECONDS:
            return known[1]
        found = config.load(root, self._editor_options)
        self._configs[root] = (now, found)
        self._warn(found)
        return found

    def _warn(self, found: Config) -> None:
        for warning in found.warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                self.show_message(warning, kind=2)

    def show_message(self, message: str, *, kind: int = 3) -> None:
        if self.session is not None:
            self.session.notify(Method.SHOW_MESSAGE, {"type": kind, "message": message})

    def root_of(self, path: Path | None) -> Path | None:
        return root_of(path, self.root)

    def exclusion_of(self, path: Path | None, language: str) -> str | None:
        """Returns why a document gets no completion, or None where it does."""
        root = self.root_of(path)
        options = self.config(root).settings.completion
        if not options.enabled:
            return "disabled"
        if not options.filetypes.get(language, options.filetypes.get("*", True)):
            return "filetype"
        if path is not None:
            if is_excluded(path, root, options.exclude):
                return "excluded"
            if self.services.is_secret(path):
                return "secret"
        return None

    def close(self) -> None:
        for running in self.completions.values():
            running.task.cancel()


def _parse(model: type[WireModel], params: Params, method: str) -> Any:
    try:
        return model.model_validate(params)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RpcError(errors.INVALID_PARAMS, f"{method}: {where}: {first['msg']}") from error


async def serve(
    services: Services, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Serves one client until it goes."""
    connection = Connection(services)
    session = Session(reader, writer, connection)
    connection.session = session
    services.connections.add(connection)
    try:
        await session.run()
    finally:
        services.connections.discard(connection)
        connection.close()
        log.info("%s left", connection.client.name)
