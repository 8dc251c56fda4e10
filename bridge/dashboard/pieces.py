"""The smallest parts of a page. They stand on it hundreds of times, and as macros they took a third of its time."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from markupsafe import Markup, escape

from bridge.dashboard.bounded import bounded
from bridge.dashboard.files import VERSION
from bridge.dashboard.speech import Speech


@lru_cache(256)
def icon(name: str, more: str = "") -> Markup:
    """A sign out of ``icons.svg``. ``more``: its other class."""
    place = f"/static/icons.svg?{VERSION}#{escape(name)}"
    return Markup(f'<svg class="icon {escape(more)}" aria-hidden="true"><use href="{place}"></use></svg>')  # noqa: S704


def health(colour: str, say: Speech) -> Markup:
    """A colour with its sign and its word."""
    word = escape(bounded(say.of("health", colour)))
    return Markup(f'<span class="health {escape(colour)}">{icon(colour)}{word}</span>')  # noqa: S704


def pill(stage: str, say: Speech) -> Markup:
    """A stage."""
    word = escape(bounded(say.of("stage", stage)))
    return Markup(f'<span class="pill stage-{escape(stage)}">{word}</span>')  # noqa: S704


def when(moment: datetime, say: Speech) -> Markup:
    """A moment, said by day and time."""
    return _time(moment, say, say.moment(moment))


def ago(moment: datetime, say: Speech) -> Markup:
    """A moment, said by how long ago it was."""
    return _time(moment, say, say.age(moment))


def _time(moment: datetime, say: Speech, words: str) -> Markup:
    exact = escape(say.exact(moment))
    return Markup(f'<time datetime="{moment.isoformat()}" title="{exact}">{escape(words)}</time>')  # noqa: S704


ALL = {"icon": icon, "health": health, "pill": pill, "when": when, "ago": ago}
