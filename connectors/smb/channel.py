"""One connection, session and share: requests go out, answers come within a time limit, errors are ours."""

from __future__ import annotations

import contextlib
import logging
import time
import uuid
from datetime import datetime
from typing import Any

from smbprotocol.connection import Connection  # type: ignore[import-untyped]
from smbprotocol.session import Session  # type: ignore[import-untyped]
from smbprotocol.tree import TreeConnect  # type: ignore[import-untyped]

from connectors.smb.errors import ServerStatus, translated
from connectors.smb.options import Options

# It logs names of files and users at INFO.
logging.getLogger("smbprotocol").setLevel(logging.CRITICAL)


class _Telling(Connection):  # type: ignore[misc]
    """Keeps the server's clock, which the negotiation tells (MS-SMB2 2.2.4 SystemTime), in seconds ahead of ours."""

    ahead = 0.0

    def _send_smb2_negotiate(self, *arguments: Any) -> Any:
        response = super()._send_smb2_negotiate(*arguments)
        told = response["system_time"].get_value()
        if isinstance(told, datetime):
            self.ahead = told.timestamp() - time.time()
        return response


class Channel:
    """Everything raises Unreachable or Refused, ConfigurationError, or ServerStatus for one object."""

    def __init__(self, options: Options, password: str) -> None:
        self._place, self._root = options.place, options.root
        self._timeout = options.timeout
        self._connection = _Telling(uuid.uuid4(), options.server, options.port, require_signing=True)
        try:
            self._connection.connect(timeout=min(options.timeout, 20))
            self._session = Session(
                self._connection, options.username, password, require_encryption=options.encrypt,
                auth_protocol=options.authentication,
            )  # fmt: skip
            self._session.connect()
            self._tree = TreeConnect(self._session, rf"\\{options.server}\{options.share}")
            self._tree.connect()
        except Exception as error:  # noqa: BLE001 - smbprotocol raises many kinds
            self.close()
            raise translated(error, self._place) from None

    # --- the connection itself --------------------------------------------------------------------------------------

    @property
    def ahead(self) -> float:
        """Seconds by which the server's clock is ahead of ours."""
        return self._connection.ahead

    @property
    def dialect(self) -> int:
        return int(self._connection.dialect)

    @property
    def encrypted(self) -> bool:
        return bool(self._session.encrypt_data or self._tree.encrypt_data)

    @property
    def signed(self) -> bool:
        # What is encrypted is authentic by that, and not signed as well (MS-SMB2 3.2.4.1.1).
        return bool(self._session.signing_required) or self.encrypted

    @property
    def alive(self) -> bool:
        """False once the socket was closed, by either side."""
        transport = self._connection.transport
        return bool(transport is not None and transport.connected and self._connection._t_exc is None)

    def echo(self) -> None:
        """Ask for a sign of life; what the server sent before it has arrived then."""
        try:
            self._connection.echo(sid=self._session.session_id, timeout=min(self._timeout, 10))
        except Exception as error:  # noqa: BLE001 - smbprotocol raises many kinds
            raise translated(error, self._place) from None

    def close(self) -> None:
        """Drop the socket: the server closes what was open. May be called twice, and from another thread."""
        connection = self._connection
        if connection.transport is not None:
            with contextlib.suppress(Exception):
                connection.disconnect(close=False)

    def send(self, *messages: Any, related: bool = False) -> list[Any]:
        """Send requests; ``receive`` takes their answers."""
        session, tree = self._session.session_id, self._tree.tree_connect_id
        try:
            sent: list[Any] = self._connection.send_compound(list(messages), session, tree, related=related)
        except Exception as error:  # noqa: BLE001 - smbprotocol raises many kinds
            raise translated(error, self._place) from None
        return sent

    def receive(self, request: Any, *, timeout: float | None = 0) -> bytes:
        """The body of an answer; ``timeout`` None waits for ever, 0 as long as the options say."""
        limit = self._timeout if timeout == 0 else timeout
        try:
            response = self._connection.receive(request, timeout=limit, resolve_symlinks=False)
            return bytes(response["data"].get_value())
        except Exception as error:  # noqa: BLE001 - smbprotocol raises many kinds
            self._connection.outstanding_requests.pop(request.message["message_id"].get_value(), None)
            raise translated(error, self._place) from None

    def ask(self, *messages: Any, related: bool = False) -> list[bytes | ServerStatus]:
        """Send requests at once and take all answers; a status that is no success stands for its own request."""
        answers: list[bytes | ServerStatus] = []
        for request in self.send(*messages, related=related):
            try:
                answers.append(self.receive(request))
            except ServerStatus as status:
                answers.append(status)
        return answers

    def good(self, message: Any) -> bytes:
        (answer,) = self.ask(message)
        if isinstance(answer, ServerStatus):
            raise answer
        return answer
