"""Sends one message over the library Apprise, in a thread of its own that nobody has to wait for.

A URL may hold passwords: it is read when it is needed, and neither it nor what the library logs (which may quote a
server, an address or an answer) is ever shown. What went wrong is told by its sort.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from bridge.core.notices import Severity
from bridge.daemon import wiring
from bridge.daemon.notice_text import Message
from bridge.ports import ConfigurationError
from bridge.settings import Settings
from bridge.settings.notify import Target

#: Seconds after which a send counts as failed; the library's own limits are shorter.
TIMEOUT = 60.0
_LOCAL = {"localhost", "127.0.0.1", "::1"}
_TYPES = {Severity.CRITICAL: "failure", Severity.WARNING: "warning", Severity.NOTICE: "info"}
_STATUS = re.compile(r"error=(\d{3})")
_SMTP = re.compile(r"\((\d{3}), b")
#: Targets to which a message is being sent, perhaps by a thread that nobody waits for any more.
_UNDER_WAY: set[str] = set()


class NotSent(Exception):
    """A message did not go out; ``str`` says why, without a URL."""


async def send(settings: Settings, target: Target, message: Message) -> None:
    """Send it; raises NotSent."""
    if target.name in _UNDER_WAY:
        raise NotSent("no answer yet to what was sent before")
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def run() -> None:
        try:
            reason = _send(settings, target, message)
        except Exception as error:  # noqa: BLE001 - a library's bug must not end the thread without an answer
            reason = f"the library failed ({type(error).__name__})"
        _UNDER_WAY.discard(target.name)
        with suppress(RuntimeError):  # the bridge has ended meanwhile
            loop.call_soon_threadsafe(_settle, answer, reason)

    _UNDER_WAY.add(target.name)
    # A daemon thread: one that hangs in a server must not hold up the end of the bridge.
    threading.Thread(target=run, name=f"notify {target.name}", daemon=True).start()
    try:
        reason = await asyncio.wait_for(answer, TIMEOUT)
    except TimeoutError:
        reason = f"no answer within {TIMEOUT:g} seconds"
    if reason:
        raise NotSent(reason)


def _settle(answer: asyncio.Future[str], reason: str) -> None:
    if not answer.done():
        answer.set_result(reason)


def _send(settings: Settings, target: Target, message: Message) -> str:
    """Empty when it went out, else why not."""
    with _listening() as heard:
        try:
            service = service_of(settings, target)
        except ConfigurationError as error:
            return str(error)
        _dress(service, message)
        if service.notify(body=message.body, title=message.title, notify_type=_type(message)):
            return ""
        return _sort(heard())


def check(settings: Settings, target: Target) -> None:
    """Whether its URL can be read and used; raises ConfigurationError. Nothing is sent."""
    with _listening():
        service_of(settings, target)


def service_of(settings: Settings, target: Target) -> Any:
    """What the library makes of a URL. Raises ConfigurationError where it can't be used, or others could listen.

    Asked is what the library understood, not the URL: there are many ways to write one thing.
    """
    import apprise  # only here: it takes a while to load, and most bridges send seldom

    plain = target.url.startswith("mailto")
    url = target.url if plain else wiring.secret(settings, target.url).decode(errors="replace").strip()
    for scheme in ("http", "https"):
        if url.startswith(f"{scheme}://"):
            url = f"json{scheme[4:]}{url[len(scheme) :]}"
    asset = apprise.AppriseAsset(
        app_id="schoolbridge", app_desc="schoolbridge", app_url="", http_redirects=False, async_mode=False
    )
    service = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if service is None:
        raise ConfigurationError("its URL is not one that can be used: see the page on being told")
    if service.password and _clear(service):
        raise ConfigurationError(
            "its URL would send a password unencrypted; write mailtos:// or https:// (for mail also ?mode=starttls)"
        )
    if not service.verify_certificate:
        raise ConfigurationError("its URL turns off the check of the server's certificate; trust its authority instead")
    if service.redirects:
        raise ConfigurationError("its URL lets the server send on to another one; write the one that is meant")
    return service


def _clear(service: Any) -> bool:
    """Whether it speaks unencrypted to another machine."""
    if (getattr(service, "smtp_host", "") or service.host) in _LOCAL:
        return False
    mode = getattr(service, "secure_mode", None)  # of mail only
    return mode == "insecure" if mode is not None else bool(service.protocol) and not service.secure


def _type(message: Message) -> Any:
    from apprise import NotifyType

    return NotifyType("success" if message.over else _TYPES[message.severity])


def _dress(service: Any, message: Message) -> None:
    """Plain text, and the key where a machine finds it: a field of the payload, or a header of the mail."""
    from apprise import NotifyFormat

    service.notify_format = NotifyFormat.TEXT
    facts = {"key": message.key, "severity": message.severity.value, "state": "over" if message.over else "open"}
    if isinstance(getattr(service, "payload_extras", None), dict):
        service.payload_extras.update(facts)
    elif isinstance(getattr(service, "headers", None), dict):
        service.headers.update({f"X-Schoolbridge-{name.title()}": value for name, value in facts.items()})
        service.headers["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answer of an absent person is wanted


def _sort(text: str) -> str:
    """The sort of a failure, from what the library said; its words stay here."""
    if found := _STATUS.search(text):
        return f"the server answered with the status {found[1]}"
    if found := _SMTP.search(text):
        refused = " (the login is refused)" if found[1] in {"530", "534", "535"} else ""
        return f"the mail server answered with {found[1]}{refused}"
    if re.search(r"certificate|SSL", text):
        return "the server's certificate is not trusted"
    if re.search(r"refused:", text):
        return "the mail server refused a recipient"
    return "the server can't be reached, or did not take it"


@contextmanager
def _listening() -> Iterator[Callable[[], str]]:
    """Keep what the library logs away from the log, and hear of this thread what it says."""
    logger, mine, lines = logging.getLogger("apprise"), threading.get_ident(), list[str]()

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == mine and len(lines) < 100:
                lines.append(record.getMessage())

    ear = Ear(logging.DEBUG)
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    logger.addHandler(ear)
    try:
        yield lambda: "\n".join(lines)
    finally:
        logger.removeHandler(ear)
