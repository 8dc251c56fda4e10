"""Refusals of drives, as OneDrive for Business and SharePoint word them (Graph: errors; codes seen in the field)."""

from __future__ import annotations

from connectors.sandbox.errors import GraphError


def missing() -> GraphError:
    """404 of an unknown, deleted or not yet visible item."""
    return GraphError(404, "itemNotFound", "The resource could not be found.")


def taken(name: str) -> GraphError:
    """409 of a name that is in use, case ignored."""
    return GraphError(
        409, "nameAlreadyExists", f"The specified item name already exists: '{name}'. Please choose another name."
    )


def changed(inner: str = "entityTagDoesNotMatch") -> GraphError:
    """412 of an If-Match that is no longer true, or an If-None-Match that is."""
    return GraphError(412, "resourceModified", "ETag does not match current item's value", inner_code=inner)


def locked() -> GraphError:
    """423 of a file that somebody has open in Office."""
    return GraphError(423, "notAllowed", "The resource is locked.", inner_code="resourceLocked")


def full() -> GraphError:
    """507 of a drive without room."""
    return GraphError(507, "quotaLimitReached", "The user has reached their quota limit.")


def invalid(message: str, inner: str = "invalidParameterFormat") -> GraphError:
    """400 of a request that makes no sense."""
    return GraphError(400, "invalidRequest", message, inner_code=inner)


def invalid_name(name: str) -> GraphError:
    """400 of a name that SharePoint does not allow."""
    return GraphError(
        400, "invalidRequest", f"The provided name cannot contain illegal characters or is reserved: '{name}'",
        inner_code="invalidPath",
    )  # fmt: skip


def too_long() -> GraphError:
    """400 of a path above 400 characters."""
    return GraphError(
        400, "invalidRequest", "The specified file or folder path is too long.", inner_code="pathIsTooLong"
    )


def range_refused(inner: str, message: str) -> GraphError:
    """416 of a fragment that does not continue the upload."""
    return GraphError(416, "invalidRange", message, inner_code=inner)


def session_gone() -> GraphError:
    """404 of an upload session that is finished, cancelled, expired or was never there."""
    return GraphError(404, "itemNotFound", "The upload session was not found", inner_code="uploadSessionNotFound")


def too_large(most: int) -> GraphError:
    """413 of a request body above the limit."""
    return GraphError(
        413, "invalidRequest", f"The request body is larger than {most} bytes.", inner_code="maxStreamSizeExceeded"
    )


def access_denied() -> GraphError:
    """403 of files."""
    return GraphError(403, "accessDenied", "Access denied. You do not have permission to perform this action.")


def throttled(headers: dict[str, str]) -> GraphError:
    """429 of SharePoint."""
    return GraphError(
        429, "activityLimitReached", "The request has been throttled", headers=headers, inner_code="throttledRequest"
    )


def resync(location: str, inner: str) -> GraphError:
    """410 of a delta token; ``inner`` says how to reconcile."""
    return GraphError(
        410, "resyncRequired", "Resync required. Replace any local items with the server's version.",
        headers={"Location": location}, inner_code=inner,
    )  # fmt: skip
