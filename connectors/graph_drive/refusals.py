"""What a refused write means, as a cause for the engine and a sentence for a person."""

from __future__ import annotations

from bridge.ports import Failed
from connectors.graph.answers import Answer

#: SharePoint's limits (restrictions and limitations in OneDrive and SharePoint).
LONGEST_PATH = 400


def refused(write_id: str, subject: str, answer: Answer) -> Failed:
    """The outcome for one object. ``subject`` names it by id."""
    codes, text = answer.codes, answer.message
    if answer.status == 404:
        return Failed(write_id, "gone", f"{subject} is not in the drive any more.")
    if answer.status == 423 or "resourceLocked" in codes:
        return Failed(write_id, "locked", f"{subject} is open in Office, or locked; tried again later.", transient=True)
    if answer.status == 409:
        return Failed(write_id, "name_taken", f"{subject}: something else has that name in this folder of the drive.")
    if answer.status == 412:
        return Failed(write_id, "stale", f"{subject} was changed in the drive by somebody else.", transient=True)
    if answer.status == 507 or "quotaLimitReached" in codes:
        message = f"{subject}: the drive is full. Free space (recycle bin, old versions), or raise its quota."
        return Failed(write_id, "quota", message, transient=True)
    if answer.status == 403:
        return Failed(write_id, "denied", f"{subject}: the drive refuses it ({answer.code}: {text}).")
    if "pathIsTooLong" in codes or "too long" in text.lower():
        return Failed(write_id, "path_too_long", f"{subject}: its path gets longer than {LONGEST_PATH} characters.")
    if "invalidPath" in codes or "name" in text.lower():
        return Failed(write_id, "name_refused", f"{subject}: the drive refuses the name ({answer.code}). Rename it.")
    return Failed(write_id, "invalid", f"{subject}: the drive answered {answer.status} {answer.code}: {text}")
