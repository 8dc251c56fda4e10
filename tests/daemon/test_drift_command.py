"""``schoolbridge drift``: listed, decided, refused in words; and what the YAML says about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.core.cutover import Stage
from bridge.core.kinds import KINDS, Authority
from bridge.core.model import Drift, Side
from bridge.daemon.catalog import Catalog
from bridge.settings import SettingsError, load
from bridge.state import open_database
from tests.daemon.embedded import Embedded


@pytest.fixture
def drifted(tmp_path: Path) -> Embedded:
    """A school where the cloud's name of one person was changed by hand."""
    one = Embedded(tmp_path)
    one.fill(2)
    assert one.run("sync").code == 0
    database = open_database(f"sqlite:///{tmp_path}/state.db")
    store = database.school("0123", KINDS)
    link = next(found.link for found in store.find("") if found.kind == "user" and found.link)
    store.drifted([Drift(link, "user", "display_name", Side.CLOUD, "[Ännchen]", "Anna")], now=database.clock())
    database.close()
    return one


def test_drift_is_listed_and_decided(drifted: Embedded) -> None:
    (found,) = drifted.run("drift", "0123", "--json").json["drifts"]
    assert (found["field"], found["side"], found["found"], found["wanted"], found["state"]) == (
        "display_name", "cloud", "[Ännchen]", "Anna", "reverted",
    )  # fmt: skip
    name = f"{found['link']}:display_name:cloud"
    shown = drifted.run("drift").out
    assert name in shown
    assert "[Ännchen]" in shown
    answer = drifted.run("drift", "0123", "--take", name, "--reason", "she is called so", "--json")
    assert [one["state"] for one in answer.json["drifts"]] == ["take"]
    assert "she is called so" in drifted.run("journal", "show", "--json").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--take", "nobody:surname", "--reason", "x"], 'no drift of "nobody:surname"'),
        (["--take", "a:b", "--revert", "c:d", "--reason", "x"], "one at a time"),
        (["--take", "a:b"], "--reason"),
    ],
)
def test_what_can_not_be_decided_is_told(drifted: Embedded, arguments: list[str], said: str) -> None:
    answer = drifted.run("drift", "0123", *arguments)
    assert answer.code == 1
    assert said in answer.err
    assert [one["state"] for one in drifted.run("drift", "0123", "--json").json["drifts"]] == ["reverted"]


def test_authority_by_stage_and_drift_by_field(tmp_path: Path) -> None:
    one = Embedded(tmp_path)
    text = one.school_file.read_text()
    one.school_file.write_text(
        text + "authority: {user: {surname: {hybrid: newest, soaking: both}, given_name: cloud}}\n"
        'drift: {user: {"*": hold}, group: {description: hold, display_name: revert}}\n'
    )
    (school,) = load(one.config, Catalog()).schools
    user = KINDS["user"]
    owners = {
        stage: [school.policy(stage).owner(user, user.field(name)) for name in ("surname", "given_name", "enabled")]
        for stage in (Stage.HYBRID, Stage.PAUSED_HYBRID, Stage.SOAKING, Stage.CLOUD)
    }
    hybrid = [Authority.NEWEST, Authority.CLOUD, Authority.SCHOOL]
    assert owners == {
        Stage.HYBRID: hybrid,
        Stage.PAUSED_HYBRID: hybrid,
        Stage.SOAKING: [Authority.BOTH, Authority.CLOUD, Authority.CLOUD],
        Stage.CLOUD: [Authority.CLOUD] * 3,
    }
    policy = school.policy(Stage.HYBRID)
    group = KINDS["group"]
    assert policy.holds_drift(user, user.field("surname"))
    assert policy.holds_drift(group, group.field("description"))
    assert not policy.holds_drift(group, group.field("display_name"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('authority: {user: {"*": newest}}', "existence"),
        ("authority: {user: {surname: {observing: cloud}}}", "observing"),
        ("drift: {user: {shoe_size: hold}}", "shoe_size"),
        ("drift: {user: {surname: sometimes}}", "revert"),
    ],
)
def test_mistakes_are_told_at_once(tmp_path: Path, line: str, said: str) -> None:
    one = Embedded(tmp_path)
    one.school_file.write_text(f"{one.school_file.read_text()}{line}\n")
    with pytest.raises(SettingsError) as error:
        load(one.config, Catalog())
    assert said in "\n".join(str(problem) for problem in error.value.problems)
