"""``token``: made and printed once, listed without the secret, revoked; mistakes are told and change nothing."""

from pathlib import Path

import pytest

from tests.daemon.embedded import Embedded


@pytest.fixture
def school(tmp_path: Path) -> Embedded:
    school = Embedded(tmp_path)
    school.fill(1)
    return school


def test_the_life_of_a_token(school: Embedded) -> None:
    made = school.run("token", "make", "--label", "the dashboard", "--scopes", "read,names", "--schools", "0123")
    token = made.out.strip()
    assert (made.code, token[:3], len(token.split("_", 2)[2])) == (0, "sb_", 43)
    assert "shown this once" in made.err
    secret, name = token.split("_", 2)[2], token.split("_")[1]
    shown = school.run("token", "list")
    assert f"{name} the dashboard: names, read of the schools 0123" in shown.out
    assert "never used" in shown.out
    for answer in (shown, school.run("token", "list", "--json"), school.run("journal", "show"), school.run("check")):
        assert secret not in answer.out + answer.err
    assert secret.encode() not in (school.root / "state.db").read_bytes()
    assert school.run("token", "revoke", name, "--reason", "laptop lost").code == 0
    assert "no tokens" in school.run("token", "list").out
    row = school.run("token", "list", "--all", "--json").json["tokens"][0]
    assert (row["state"], row["schools"]) == ("revoked", ["0123"])


def test_a_token_ends_by_itself(school: Embedded) -> None:
    made = school.run("token", "make", "--label", "x", "--expires", "30 days", "--json").json
    assert made["scopes"] == ["read"]
    assert made["expires"] > made["made"]
    assert school.run("token", "make", "--label", "x", "--expires", "2020-01-31").code == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("make", "--label", "x", "--scopes", "raed"), 'no scope is called "raed"'),
        (("make", "--label", "x", "--scopes", ","), "say which --scopes"),
        (("make", "--label", "x", "--schools", "9999"), 'no school has the code "9999"'),
        (("make", "--label", "[bold]"), "--label takes"),
        (("make", "--label", "x", "--expires", "soon"), "write a day"),
        (("make", "--label", "x", "--expires", "9000 days"), "write a day|more than two years"),
        (("revoke", "nonsense"), 'no token has the id "nonsense"'),
    ],
)
def test_mistakes_make_nothing(school: Embedded, arguments: tuple[str, ...], text: str) -> None:
    assert school.run("sync").code == 0
    answer = school.run("token", *arguments)
    assert answer.code == 1
    assert any(one in answer.err for one in text.split("|")), answer.err
    assert school.run("token", "list", "--all", "--json").json["tokens"] == []
