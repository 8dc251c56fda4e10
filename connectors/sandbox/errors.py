"""Error answers as Microsoft Graph words them.

Codes and messages are those seen in the field; clients branch on the code, and on the message only where the code is
too coarse (400 ``Request_BadRequest`` covers most of the directory).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class GraphError(Exception):
    """A refusal with its HTTP status, Graph code and message; raised by routes, turned into an answer at the edge."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        inner_code: str | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = list(details)
        self.headers = dict(headers or {})
        self.inner_code = inner_code

    def body(self, *, date: str, request_id: str, client_request_id: str) -> dict[str, Any]:
        """The JSON body; ``date`` is UTC without a zone suffix, as the service writes it."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details:
            error["details"] = self.details
        inner: dict[str, Any] = {"date": date, "request-id": request_id, "client-request-id": client_request_id}
        if self.inner_code:
            inner["code"] = self.inner_code
        error["innerError"] = inner
        return {"error": error}


def bad_request(message: str, *, details: Sequence[Mapping[str, str]] = ()) -> GraphError:
    """400 ``Request_BadRequest``, the directory's answer to nearly every wrong value."""
    return GraphError(400, "Request_BadRequest", message, details=details)


def not_found(object_id: str) -> GraphError:
    """404 of an unknown directory object, also of one that is not visible yet."""
    return GraphError(
        404,
        "Request_ResourceNotFound",
        f"Resource '{object_id}' does not exist or one of its queried reference-property objects are not present.",
    )


def denied(message: str = "Insufficient privileges to complete the operation.") -> GraphError:
    """403 of a missing permission, a privileged target, or a member write on a dynamic group."""
    return GraphError(403, "Authorization_RequestDenied", message)


def conflict(name: str) -> GraphError:
    """400 of a value that must be unique and is taken."""
    message = f"Another object with the same value for property {name} already exists."
    return bad_request(message, details=[{"code": "ObjectConflict", "message": message, "target": name}])


def already_referenced(relation: str) -> GraphError:
    """400 of a member or owner that is there already."""
    return bad_request(
        f"One or more added object references already exist for the following modified properties: '{relation}'."
    )


def mastered_on_premises() -> GraphError:
    """400 of a write to an object whose source of authority is Active Directory."""
    return bad_request(
        "Unable to update the specified properties for on-premises mastered Directory Sync objects or objects "
        "currently undergoing migration."
    )


def unsupported_query(message: str) -> GraphError:
    """400 of a query that needs ``ConsistencyLevel: eventual`` and ``$count=true``, or is not supported at all."""
    return GraphError(400, "Request_UnsupportedQuery", message)


def unauthenticated(message: str = "Access token is empty.") -> GraphError:
    """401 with the challenge that clients read."""
    return GraphError(
        401,
        "InvalidAuthenticationToken",
        message,
        headers={
            "WWW-Authenticate": 'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/'
            'authorize", client_id="00000003-0000-0000-c000-000000000000"'
        },
    )


def resync_required(location: str) -> GraphError:
    """410 of a delta token that is too old; ``Location`` carries an empty $deltatoken: start over."""
    return GraphError(
        410,
        "syncStateNotFound",
        "The sync state generation is not found; please provide a valid $deltatoken or re-synchronize.",
        headers={"Location": location},
    )


def no_such_segment(segment: str) -> GraphError:
    """400 of a path that Graph does not know."""
    return GraphError(400, "BadRequest", f"Resource not found for the segment '{segment}'.")
