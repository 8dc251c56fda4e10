"""The states of a school as they may lie in the hub's database: what a person wrote as a reason may name somebody."""

from __future__ import annotations

from typing import Any

from bridge.api.answers import ProgressView
from bridge.api.models import CutoverView, SchoolView


def school_state(view: SchoolView, progress: ProgressView) -> dict[str, Any]:
    """Body of a message ``school``. The events stand in the cutover."""
    return {
        "view": view.model_dump(mode="json", exclude={"events"}),
        "progress": progress.model_dump(mode="json"),
    }


def cutover_state(cutover: CutoverView) -> dict[str, Any]:
    """Body of a message ``cutover``, of a view without names. Who vouched and approved stays: they answer for it."""
    tree = cutover.model_dump(mode="json")
    for event in tree["events"]:
        for gate in event["gates"]:
            gate["vouched_reason"] = ""
        for approval in event["approvals"]:
            approval["reason"] = ""
    return tree
