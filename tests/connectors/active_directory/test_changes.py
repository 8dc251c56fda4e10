"""The token, without a directory: how far each domain controller was read, and when that is worth nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bridge.ports import TokenLost
from connectors.active_directory.changes import Token, decode, verify
from connectors.active_directory.session import Root

NOW = datetime(2026, 9, 1, 6, 0, tzinfo=UTC)
ONE, TWO = "11111111-0000-0000-0000-000000000001", "22222222-0000-0000-0000-000000000002"


def root(invocation: str = ONE, usn: int = 100, domain: str = "d") -> Root:
    return Root(
        host=f"dc{invocation[0]}", base="DC=x", configuration="CN=Configuration,DC=x", domain=domain, domain_sid="S-1",
        tombstone_days=60, invocation=invocation, usn=usn, now=NOW, account_sid="S-2",
    )  # fmt: skip


def fresh(usn: int = 100) -> Token:
    return Token("d", at=ONE, scope="s", expiry=NOW.isoformat()).moved_on(root(usn=usn), NOW)


def good(token: Token, where: Root, *, scope: str = "s", now: datetime = NOW) -> None:
    verify(token, where, scope=scope, now=now, longest=timedelta(days=53))


def test_it_comes_back_as_it_was() -> None:
    token = replace(fresh(), anchors={"OU=Ä": "g"}, privileged=["p"], circles="c")
    assert decode(token.encode()) == token


def test_a_good_one() -> None:
    good(fresh(), root())
    good(fresh(), root(usn=101), now=NOW + timedelta(days=53))
    assert fresh().start(root()) == 100


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "{}", '{"v": 2}', '{"v": 1, "marks": {}}', "x" * 50, '{"v": 1, "marks": 7}']
)
def test_anything_else_is_no_token(text: str) -> None:
    with pytest.raises(TokenLost):
        decode(text)


def test_what_makes_it_worthless() -> None:
    lost = {
        "another domain": (root(domain="e"), {}),
        "options": (root(), {"scope": "t"}),
        "restored from a backup": (root(TWO), {}),
        "earlier state": (root(usn=99), {}),
        "54 days ago": (root(), {"now": NOW + timedelta(days=54)}),
    }
    for told, (where, more) in lost.items():
        with pytest.raises(TokenLost, match=told):
            good(fresh(), where, **more)  # type: ignore[arg-type]


def test_going_back_starts_an_hour_before_it_was_left() -> None:
    token = fresh()
    for hours, usn in ((0.5, 150), (1, 200), (1.5, 250), (2.5, 300)):
        token = token.moved_on(root(usn=usn), NOW + timedelta(hours=hours))
    assert token.start(root(usn=300)) == 300
    away = replace(token, marks={**token.marks}).moved_on(root(TWO, 7), NOW + timedelta(hours=3))
    assert (away.at, away.start(root(TWO, 7))) == (TWO, 7)
    good(away, root(usn=400), now=NOW + timedelta(hours=4))
    assert away.start(root(usn=400)) == 200


def test_one_that_was_read_for_minutes_only_is_not_gone_back_to() -> None:
    away = fresh().moved_on(root(TWO, 7), NOW + timedelta(minutes=5))
    with pytest.raises(TokenLost, match="less than an hour"):
        good(away, root())


def test_only_the_latest_controllers_are_kept() -> None:
    token = fresh()
    for number in range(20):
        token = token.moved_on(root(f"{number:08d}-0000-0000-0000-000000000000"), NOW + timedelta(minutes=number))
    assert len(token.marks) == 8
    assert token.at in token.marks
