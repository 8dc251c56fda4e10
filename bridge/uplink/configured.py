"""Which configuration of a school is in force: its digest, where it comes from, and which version it is."""

from __future__ import annotations

from typing import Any, Literal

from bridge.settings import Settings, digest
from bridge.uplink.versions import Versions


def source_of(settings: Settings) -> Literal["site", "hub"]:
    """Where the schools' files of a site come from."""
    return settings.bridge.hub.configuration if settings.bridge.hub is not None else "site"


def configurations(settings: Settings) -> dict[str, dict[str, Any]]:
    """Code -> body of a message ``configuration``, but for what is wrong with a newer one. Raises OSError."""
    source = source_of(settings)
    return {
        one.code: {
            "digest": digest(one),
            "source": source,
            "version": Versions(settings.from_hub, one.code).number() if source == "hub" else 0,
            "problem": "",
        }
        for one in settings.schools
    }
