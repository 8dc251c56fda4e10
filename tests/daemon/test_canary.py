"""S5: no secret in any output, log, state file or report: a real one is used everywhere, then looked for everywhere."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from pypdf import PdfReader

from bridge.letters.report import Part, report
from tests.daemon.embedded import Answer
from tests.daemon.live import _SECRET, Live

pytestmark = pytest.mark.timeout(600)
WRONG = "canary/Wrong+Secret=7f3a"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    world = Live(tmp_path_factory.mktemp("canary"), people=2)
    yield world
    world.stop()


def spellings(secret: str) -> list[bytes]:
    """How it could have been written down."""
    plain = secret.encode()
    return [plain, base64.b64encode(plain), plain.hex().encode(), quote(secret, safe="").encode(),
            json.dumps(secret)[1:-1].encode(), secret.encode("utf-16-le")]  # fmt: skip


def found_in(text: bytes) -> list[str]:
    return [secret for secret in (_SECRET, WRONG) for one in spellings(secret) if one in text]


def printed(path: Path) -> bytes:
    """What a PDF says; its lines are packed, and broken where they are long."""
    return "".join("".join(page.extract_text() for page in PdfReader(path).pages).split()).encode()


def leaks(root: Path) -> list[str]:
    """Files that hold a secret, the secret's own and those of the counterpart aside; packed ones are looked into."""
    found = []
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.name not in {"client.secret", "sandbox.log"}:
            content = path.read_bytes()
            content += gzip.decompress(content) if path.suffix == ".gz" else b""
            content += printed(path) if path.suffix == ".pdf" else b""
            found += [str(path)] if found_in(content) else []
    return found


COMMANDS = (
    ("check",), ("check", "--online"), ("plan",), ("sync",), ("status",), ("shares", "0123"), ("people", "0123"),
    ("verify", "0123"), ("journal", "verify"), ("journal", "show"), ("report", "records", "0123"),
    ("report", "completion", "0123"), ("report", "readiness", "0123"), ("leavers", "0123"), ("drift", "0123"),
    ("quarantine",), ("conflicts", "0123"), ("explain", "anna0"),
)  # fmt: skip


def every_command(live: Live) -> list[tuple[str, Answer]]:
    """Each as people type it, and as verbose as it gets; one in a process of its own, with all that goes with it."""
    typed = [(*words, *more) for words in COMMANDS for more in ((), ("--verbose", "--json"))]
    own = ("check", "--online", "--verbose")
    return [(" ".join(words), live.school.run(*words)) for words in typed] + [(" ".join(own), live.school.start(*own))]


def test_a_secret_that_works_is_in_no_output_and_no_file(live: Live) -> None:
    (live.home("anna0") / "a.txt").write_text("x")
    live.start()
    live.until(lambda: "a.txt" in live.both("anna0")[1], seconds=120)
    live.daemon.terminate()  # type: ignore[union-attr]
    live.daemon.wait(timeout=60)  # type: ignore[union-attr]
    answers = every_command(live)
    worked = {words for words, answer in answers if answer.code in {0, 2}}
    assert {"sync", "report completion 0123", "verify 0123"} <= worked, answers
    assert [words for words, answer in answers if found_in((answer.out + answer.err).encode())] == []
    assert leaks(live.root) == []
    assert _SECRET in (live.root / "client.secret").read_text(), "it is the one that was used"


def test_a_secret_that_is_refused_is_in_no_error(live: Live) -> None:
    secret = live.root / "client.secret"
    secret.write_text(WRONG)
    try:
        live.start()
        live.until(lambda: "invalid_client" in (live.root / "log").read_text(), seconds=120)
        live.daemon.terminate()  # type: ignore[union-attr]
        live.daemon.wait(timeout=60)  # type: ignore[union-attr]
        answers = every_command(live)
    finally:
        secret.write_text(_SECRET)
    failed = {words for words, answer in answers if answer.code == 1}
    assert {"sync", "check --online"} <= failed, answers
    assert [words for words, answer in answers if found_in((answer.out + answer.err).encode())] == []
    assert leaks(live.root) == []


def test_what_looks_for_it_finds_it(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(f"Authorization: Basic {base64.b64encode(WRONG.encode()).decode()}")
    with gzip.open(tmp_path / "x.gz", "wb") as packed:
        packed.write(_SECRET.encode())
    paper = report("Title", [Part("Heading", [f"signed with {WRONG}"])], school="West", language="en", foot="x")
    (tmp_path / "y.pdf").write_bytes(paper)
    assert leaks(tmp_path) == [str(tmp_path / name) for name in ("log", "x.gz", "y.pdf")]
