"""A mail server and a web server that take what they are sent: real sockets, in a thread of their own."""

from __future__ import annotations

import email
import email.policy
import functools
import json
import socketserver
import threading
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests import waiting


@dataclass
class Sink:
    """``mails`` and ``posts`` hold what was taken. ``refuse``: so many are turned away; ``hang``: until it is set."""

    mails: list[EmailMessage] = field(default_factory=list)
    posts: list[dict[str, Any]] = field(default_factory=list)
    refuse: int = 0
    hang: threading.Event | None = None
    asked: int = 0

    def subjects(self) -> list[str]:
        return [" ".join(str(one["Subject"]).split()) for one in self.mails]

    def turned_away(self) -> bool:
        self.asked += 1
        if self.hang is not None:
            self.hang.wait(60)
        if self.refuse > 0:
            self.refuse -= 1
            return True
        return False


class MailSink(Sink):
    """RFC 5321 as far as a client needs it."""

    def __enter__(self) -> MailSink:
        sink = self

        class Talk(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self._say("220 sink")
                while line := self.rfile.readline().decode("ascii", "replace").strip():
                    word = line[:4].upper()
                    if word == "DATA":
                        self._take()
                    elif word == "QUIT":
                        return self._say("221 bye")
                    elif word == "MAIL" and sink.turned_away():
                        self._say("451 try again later")
                    else:
                        self._say("250 ok")
                return None

            def _take(self) -> None:
                self._say("354 go on")
                lines = []
                while (line := self.rfile.readline()) not in {b".\r\n", b""}:
                    lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
                found = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
                assert isinstance(found, EmailMessage)
                sink.mails.append(found)
                self._say("250 taken")

            def _say(self, text: str) -> None:
                self.wfile.write(f"{text}\r\n".encode())

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Talk)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"mailto://127.0.0.1:{self.port}?from=bridge@authority.example&to=it@authority.example"


class WebSink(Sink):
    """Takes JSON by POST."""

    location = ""

    def __enter__(self) -> WebSink:
        sink = self

        class Talk(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if sink.location:
                    self.send_response(307)
                    self.send_header("Location", sink.location)
                elif sink.turned_away():
                    self.send_response(503)
                else:
                    sink.posts.append({**json.loads(body), "path": self.path})
                    self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Talk)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain", "html"))
    assert body is not None
    return str(body.get_content())


#: What is sent waits to be sent together.
until = functools.partial(waiting.until, seconds=90)
