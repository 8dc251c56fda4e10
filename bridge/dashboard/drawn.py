"""Draws a page: a template, the words of one language, and what every answer carries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bridge.dashboard import pieces
from bridge.dashboard.bounded import bounded
from bridge.dashboard.files import VERSION
from bridge.dashboard.law import frees
from bridge.dashboard.sessions import Said, Session
from bridge.dashboard.speech import Speech
from bridge.dashboard.told import changes, done
from bridge.web import requests

_HERE = Path(__file__).parent
#: Letters of a text on a page, at most.
_LONG = 4000
THEMES = ("auto", "light", "dark")
#: Nothing but our own files; no script or style in a page; in nobody's frame (CSP level 3).
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    **requests.HEADERS,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


@dataclass(frozen=True, slots=True)
class Look:
    """How one browser wants its pages. ``fragment``: only what may change, asked for by the script."""

    speech: Speech
    theme: str = "auto"
    wall: bool = False
    fragment: bool = False
    path: str = "/"
    query: str = ""


class Drawer:
    """Templates, compiled once."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True, auto_reload=False, finalize=_shown,
        )  # fmt: skip
        self._templates.filters["bounded"] = bounded
        self._templates.globals.update(pieces.ALL, version=VERSION, changes=changes, done=done, frees=frees, beside=())

    def beside(self, *pages: tuple[str, str]) -> None:
        """Pages beside those of a bridge, in the head of each: address, word."""
        self._templates.globals["beside"] = pages

    def draw(
        self, template: str, look: Look, session: Session | None, *, status: int = 200, said: Said | None = None,
        **more: Any,
    ) -> web.Response:  # fmt: skip
        """The page. It takes some milliseconds, and in a thread, which shares the interpreter, more."""
        told = [] if session is None or look.fragment else [*session.said]
        if session is not None and not look.fragment:
            session.said.clear()
        if said:
            told.append(said)
        values = {"say": look.speech, "w": look.speech.words, "look": look, "session": session, "told": told, **more}
        text = self._templates.get_template(template).render(values)
        response = web.Response(text=text, content_type="text/html", status=status)
        response.headers.update(HEADERS)
        return response


def _shown(value: object) -> object:
    """No text of a page is endless or turns its line around, whoever forgot to say so; markup of ours stays."""
    if type(value) is not str or (len(value) < _LONG and value.isascii() and value.isprintable()):
        return value  # nearly all of them: a page has thousands
    return bounded(value, _LONG)
