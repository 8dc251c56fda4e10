"""What comes back, on a real socket: ETags, pages, actions done once, errors in one form, events."""

import asyncio
import http.client
import json
import socket
import time
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import Mock

import pytest

from bridge.api import stream
from bridge.api.encoded import Encoder
from bridge.api.local import LocalSource
from bridge.api.models import LiveEvent, Page, SchoolRow
from bridge.api.routes import ROUTES
from bridge.daemon import wiring
from bridge.state import tokens
from bridge.state.tokens import Answer
from tests.api.kit import FIRST, OTHER, Served

SCHOOL = f"/api/v1/schools/{FIRST}"


@pytest.fixture(scope="module")
def everything(api: Served) -> str:
    return api.token("read", "operate", "approve", "names")


def journal(api: Served, token: str, *, limit: int = 1) -> Any:
    return api.ask(f"{SCHOOL}/journal?limit={limit}", token).json["rows"]


# --- what is known already ---


@pytest.mark.parametrize("path", ["", "/cutover", "/progress", "/operations", "/conflicts", "/cycles", "/drift"])
def test_what_is_known_costs_no_body(api: Served, everything: str, path: str) -> None:
    first = api.ask(SCHOOL + path, everything)
    tag = first.headers["etag"]
    assert first.status == 200
    for header in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = api.ask(SCHOOL + path, everything, headers={"If-None-Match": header})
        assert (again.status, again.body) == (304, b""), header
        assert again.headers["etag"] == tag
    assert api.ask(SCHOOL + path, everything, headers={"If-None-Match": '"other"'}).status == 200


def test_a_change_is_seen_after_an_action_at_once(api: Served, everything: str) -> None:
    before = api.ask(SCHOOL, everything)
    assert api.act(everything, action="pause").status == 200
    now = api.ask(SCHOOL, everything, headers={"If-None-Match": before.headers["etag"]})
    assert (now.status, now.json["stage"]) == (200, "paused-hybrid")
    assert api.act(everything, action="resume").json["stage"] == "hybrid"


def test_only_what_all_share_is_remembered(api: Served) -> None:
    encoder = Encoder()
    one, other = (Mock(spec=SchoolRow, model_dump_json=Mock(side_effect=[text])) for text in ("1", "2"))
    board, page = (one, other), Page[Any](rows=[], next=None)
    known = {one.name: one for one in ROUTES}
    assert encoder.encode(known["schools"], "/schools", board)[0] == b"[1,2]"
    assert encoder.encode(known["schools"], "/schools", [other])[0] == b"[2]", "the part of somebody, not written anew"
    assert encoder.encode(known["schools"], "/schools", board)[0] == b"[1,2]"
    encoder.encode(known["journal"], "/journal", page)
    assert list(encoder._known) == ["/schools"]


# --- pages ---


def test_pages_hold_every_row_once(api: Served, everything: str) -> None:
    whole = api.ask(f"{SCHOOL}/operations", everything).json["rows"]
    rows, before = [], ""
    while True:
        page = api.ask(f"{SCHOOL}/operations?limit=2{before}", everything).json
        rows += page["rows"]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert rows == whole
    assert len(rows) == 6


def test_a_cursor_is_good_where_it_was_given_only(api: Served, everything: str) -> None:
    cursor = api.ask(f"{SCHOOL}/journal?limit=1", everything).json["next"]
    assert api.ask(f"{SCHOOL}/journal?before={cursor}", everything).status == 200
    for address in (f"{SCHOOL}/cycles", f"/api/v1/schools/{OTHER}/journal"):
        assert api.ask(f"{address}?before={cursor}", everything).status == 400
    for wrong in (cursor[:-2] + "AA", "x", "%00", "%C3%A4%F0%9F", "A" * 500):
        assert api.ask(f"{SCHOOL}/journal?before={wrong}", everything).status == 400


# --- actions ---


def test_the_same_key_does_it_once(api: Served, everything: str) -> None:
    key = {"Idempotency-Key": "pause-1"}
    first = api.act(everything, action="pause", headers=key)
    assert first.status == 200
    assert api.act(everything, action="resume").status == 200
    seq = journal(api, everything)[0]["seq"]
    again = api.act(everything, action="pause", headers=key)
    assert (again.status, again.body) == (first.status, first.body)
    assert journal(api, everything)[0]["seq"] == seq, "nothing was done"
    assert api.act(everything, action="resume", headers=key).status == 422
    assert api.act(everything, action="pause", code=OTHER, headers=key).status == 200, "another school"
    assert api.act(everything, action="resume", code=OTHER).status == 200
    other = api.token("operate")
    assert api.act(other, action="pause", headers=key).status == 200, "another token"
    assert api.act(other, action="resume").status == 200


def test_many_at_once_with_one_key_do_it_once(api: Served, everything: str) -> None:
    key, seq = {"Idempotency-Key": "many-1"}, journal(api, everything)[0]["seq"]
    with ThreadPoolExecutor(8) as crowd:
        replies = list(crowd.map(lambda _: api.act(everything, action="pause", headers=key), range(8)))
    assert {one.status for one in replies} <= {200, 409}
    assert any(one.status == 200 for one in replies)
    assert journal(api, everything)[0]["seq"] == seq + 1
    assert api.act(everything, action="resume").status == 200


def test_a_refusal_is_kept_like_an_answer(api: Served, everything: str) -> None:
    key = {"Idempotency-Key": "resume-1"}
    first = api.act(everything, action="resume", headers=key)
    assert first.status == 409
    assert "'resume' is not possible" in first.json["detail"]
    assert api.act(everything, action="resume", headers=key).body == first.body


def test_after_a_crash_nobody_does_it_again(api: Served, everything: str) -> None:
    """The daemon died between doing and answering: the key was begun and never ended."""
    key, seq = {"Idempotency-Key": "crash-1"}, journal(api, everything)[0]["seq"]
    first = api.act(everything, action="pause", headers=key)
    assert first.status == 200
    assert api.act(everything, action="resume").status == 200
    name = everything.split("_")[1]
    kept = tokens.begin(api.database, FIRST, token=name, key="crash-1", request="")
    assert kept is not None
    tokens.end(api.database, FIRST, token=name, key="crash-1", answer=Answer(kept.request))
    again = api.act(everything, action="pause", headers=key)
    assert again.status == 409
    assert "not known whether it was carried out" in again.json["detail"]
    assert journal(api, everything)[0]["seq"] == seq + 2


def test_only_what_was_seen_is_acted_on(api: Served, everything: str) -> None:
    tag = api.ask(f"{SCHOOL}/cutover", everything).headers["etag"]
    assert api.act(everything, action="pause", headers={"If-Match": '"old"'}).status == 412
    assert api.act(everything, action="pause", headers={"If-Match": tag}).status == 200
    refused = api.act(everything, action="resume", headers={"If-Match": tag, "Idempotency-Key": "seen-1"})
    assert refused.status == 412
    now = refused.headers["etag"]
    assert api.act(everything, action="resume", headers={"If-Match": now, "Idempotency-Key": "seen-1"}).status == 200


def test_each_decision_is_made_and_stands_in_the_journal(api: Served, everything: str) -> None:
    held = api.ask(f"{SCHOOL}/operations", everything).json["rows"]
    guarded = next(one for one in held if one["rule"] == "guard:delete")
    assert api.act(everything, action="retry", link="link-00").status == 200
    assert api.act(everything, action="release", link="link-01").status == 200
    assert api.act(everything, action="release-all", rule="user:delete").json["text"].startswith("1 released")
    handle = api.ask(f"{SCHOOL}/drift", everything).json[0]["handle"]
    assert api.act(everything, action="decide-drift", drift=handle, decision="revert").status == 200
    assert api.act(everything, action="resolve-conflict", conflict="c1", keep="both").status == 200
    assert api.ask(f"{SCHOOL}/conflicts", everything).json["rows"][0]["how"] == "keep-both"
    assert api.ask(f"{SCHOOL}/releases", everything).json[0]["actor"] == "api:test"
    done = {(one["action"], one["actor"]) for one in journal(api, everything, limit=20)}
    assert {("retry", "api:test"), ("release", "api:test"), ("drift revert", "api:test")} <= done
    assert guarded["link"] in {one["link"] for one in api.ask(f"{SCHOOL}/releases", everything).json}
    assert api.woken[-1] == FIRST
    for action, fields in (("release", {"link": "none"}), ("release-all", {"rule": "user:nonsense"}),
                           ("decide-drift", {"drift": "none", "decision": "take"}),
                           ("resolve-conflict", {"conflict": "none", "keep": "both"})):  # fmt: skip
        assert api.act(everything, action=action, **fields).status == 409, action


# --- errors ---


def test_every_error_is_a_problem(api: Served, everything: str) -> None:
    actions = f"{SCHOOL}/actions"
    good = {"action": "sync", "reason": "because"}
    cases: list[tuple[int, Any]] = [
        (404, api.ask("/nothing")),
        (404, api.ask(f"{SCHOOL}/gates/explode", everything)),
        (404, api.ask(f"{SCHOOL}/gates/finalise", everything)),
        (404, api.ask(f"{SCHOOL}/reports/..%2f..%2fstate.json", everything)),
        (404, api.ask(f"{SCHOOL}/reports/none.exe", everything)),
        (404, api.ask(f"/api/v1/schools/{'9' * 40}", everything)),
        (405, api.ask("/api/v1/schools", everything, method="DELETE")),
        (405, api.ask(actions, everything)),
        (413, api.ask(actions, everything, method="POST", body=b'"' + b"x" * 70_000 + b'"')),
        (415, api.ask(actions, everything, method="POST", body=b"{}", headers={"Content-Type": "text/plain"})),
        (400, api.ask(actions, everything, method="POST", body=b"{")),
        (400, api.ask(actions, everything, method="POST", body=b'{"action": "sync", "reason": "\\ud800abc"}')),
        (422, api.ask(actions, everything, method="POST", body={"action": "explode", "reason": "because"})),
        (422, api.ask(actions, everything, method="POST", body={**good, "reason": "\0\0\0"})),
        (422, api.ask(actions, everything, method="POST", body={**good, "more": 1})),
        (422, api.ask(actions, everything, method="POST", body=good, headers={"Idempotency-Key": "with blank"})),
        (422, api.ask(f"{SCHOOL}/journal?limit=0", everything)),
        (422, api.ask(f"{SCHOOL}/journal?limit=10&limit=20", everything)),
        (422, api.ask(f"{SCHOOL}?verbose=1", everything)),
        (421, api.ask("/healthz", headers={"Host": "evil.example"})),
        (421, api.ask("/healthz", headers={"Host": "127.0.0.1.evil.example:8078"})),
    ]  # fmt: skip
    for place, (status, reply) in enumerate(cases):
        assert reply.status == status, (place, reply.body)
        assert reply.headers["content-type"] == "application/problem+json", place
        problem = reply.json
        assert problem["status"] == status
        assert problem["detail"], place
        assert "Traceback" not in problem["detail"]
    assert cases[6][1].headers["allow"] == "GET"
    fault = cases[12][1].json["faults"][0]
    assert fault["where"] == "action"
    assert "explode" not in json.dumps(cases[12][1].json), "nothing that was sent is repeated"


@pytest.mark.parametrize(
    "raw",
    [b"GET /\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n", b"NONSENSE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
     b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
     b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 3],
)  # fmt: skip
def test_what_is_no_http_gets_a_problem_too(api: Served, raw: bytes) -> None:
    with socket.create_connection(("127.0.0.1", api.port), timeout=30) as line:
        line.sendall(raw)
        line.shutdown(socket.SHUT_WR)
        answer = b""
        while part := line.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    if not answer:
        return  # closed without a word is as good
    assert head.split(b" ")[1] in (b"400", b"421", b"431")
    assert b"application/problem+json" in head
    assert json.loads(body)["detail"]


def test_a_bug_is_told_by_its_id_only(api: Served, everything: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("Anna Lang is in this text")

    monkeypatch.setattr("bridge.api.pages.drifts", broken)
    reply = api.ask(f"{SCHOOL}/drift", everything)
    assert (reply.status, len(reply.json["instance"])) == (500, 16)
    assert b"Anna" not in reply.body
    assert b"RuntimeError" not in reply.body


def test_blanks_are_no_reason(api: Served, everything: str) -> None:
    reply = api.act(everything, action="sync", reason="   \n ")
    assert (reply.status, reply.json["faults"][0]["where"]) == (422, "reason")


def test_what_fails_after_it_was_done_is_not_said_to_be_undone(
    api: Served, everything: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(tokens, "end", full)
        reply = api.act(everything, action="pause", headers={"Idempotency-Key": "full-1"})
    assert (reply.status, "whether it was done is not known" in reply.json["detail"]) == (503, True)
    assert api.act(everything, action="resume").json["stage"] == "hybrid", "it was done"


def test_answers_can_be_neither_framed_nor_sniffed(api: Served, everything: str) -> None:
    for reply in (api.ask(SCHOOL, everything), api.ask("/nothing"), api.ask("/healthz")):
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in reply.headers["content-security-policy"]
        assert reply.headers["server"] == "schoolbridge"


# --- health, metrics ---


def test_ready_only_while_no_school_is_red(api: Served) -> None:
    assert api.ask("/readyz").status == 200
    row = api.board.schools[FIRST]
    row.error, row.error_since = "no answer", "2026-01-01T00:00:00+00:00"
    try:
        for _ in range(50):
            reply = api.ask("/readyz")
            if reply.status == 503:
                break
            api.act(api.token("operate"), action="sync")  # makes the next look a fresh one
        assert (reply.status, reply.body) == (503, b"1 of 2 schools are red\n")
        assert api.ask("/healthz").status == 200
    finally:
        row.error, row.error_since = "", None


def test_metrics_name_nobody_and_are_bounded(api: Served, everything: str) -> None:
    text = api.ask("/metrics", everything).body.decode()
    assert f'schoolbridge_last_success_timestamp_seconds{{school="{FIRST}",side="cloud"}}' in text
    assert f'schoolbridge_stage{{school="{FIRST}",stage="hybrid"}} 1.0' in text
    assert "schoolbridge_api_request_seconds_bucket" in text
    assert "Anna" not in text
    series = [line for line in text.splitlines() if not line.startswith("#")]
    for number in range(50):
        api.ask(f"/nothing/{number}", everything)
    more = [line for line in api.ask("/metrics", everything).body.decode().splitlines() if not line.startswith("#")]
    assert len(more) - len(series) < 40, "addresses that somebody made up are one series"


# --- events ---


def events(raw: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[6:]) for line in raw.decode().splitlines() if line.startswith("data: ")]


def test_events_come_live_and_go_on_from_where_one_was(api: Served, everything: str) -> None:
    with socket.create_connection(("127.0.0.1", api.port), timeout=60) as line:
        request = f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {everything}\r\n\r\n"
        line.sendall(request.encode())
        seen = line.recv(65536)
        while b"retry: 5000" not in seen:
            seen += line.recv(65536)
        assert b"text/event-stream" in seen
        assert api.act(everything, action="pause").status == 200
        while b"event: stage" not in seen:
            seen += line.recv(65536)
    stage = next(one for one in events(seen) if one["kind"] == "stage")
    assert (stage["school"], stage["text"]) == (FIRST, "paused-hybrid")
    assert api.act(everything, action="resume").status == 200
    last = {"Last-Event-ID": str(stage["id"])}
    missed = events(api.ask("/api/v1/events?once=true", everything, headers=last).body)
    while not any(one["kind"] == "stage" for one in missed):
        missed = events(api.ask("/api/v1/events?once=true", everything, headers=last).body)
    assert next(one for one in missed if one["kind"] == "stage")["text"] == "hybrid"
    assert all(one["id"] > stage["id"] for one in missed)


def test_who_was_away_too_long_is_told_of_every_school(api: Served, everything: str) -> None:
    missed = events(api.ask("/api/v1/events?once=true&after=1", everything).body)
    assert [one["school"] for one in missed] == [FIRST, OTHER, ""]
    assert events(api.ask(f"/api/v1/events?once=true&after={missed[-1]['id']}", everything).body) == []
    mine = api.token("read", schools=(OTHER,))
    assert {one["school"] for one in events(api.ask("/api/v1/events?once=true&after=1", mine).body)} == {OTHER, ""}


def test_a_stream_in_which_much_happens_ends_with_its_token(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BEAT", 0.5)
    text, ends = api.token("read"), time.monotonic() + 30

    async def much(self: LocalSource, after: int | None) -> AsyncGenerator[LiveEvent, None]:
        while time.monotonic() < ends:
            await asyncio.sleep(0.05)
            yield LiveEvent(id=1, school=FIRST, kind="journal", at=wiring.now())

    monkeypatch.setattr(LocalSource, "live", much)
    line = http.client.HTTPConnection("127.0.0.1", api.port, timeout=60)
    line.request("GET", "/api/v1/events", headers={"Authorization": f"Bearer {text}"})
    answer = line.getresponse()
    assert answer.read1(100)
    tokens.revoke(api.database, text.split("_")[1], actor="test", reason="")
    answer.read()  # to its proper end
    line.close()
    assert time.monotonic() < ends - 15


def test_a_stream_that_breaks_off_tells_nothing_in_the_middle(
    api: Served, everything: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: LocalSource, after: int | None) -> AsyncGenerator[LiveEvent, None]:
        yield LiveEvent(id=1, kind="configuration", at=wiring.now())
        raise OSError("the disk is gone")

    monkeypatch.setattr(LocalSource, "live", broken)
    with socket.create_connection(("127.0.0.1", api.port), timeout=60) as line:
        request = f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {everything}\r\n\r\n"
        line.sendall(request.encode())
        seen = b""
        while more := line.recv(65536):
            seen += more
    assert b"event: configuration" in seen
    assert seen.count(b"HTTP/1.1") == 1
