"""What a person decides: linking what the bridge only supposed; and that the daemon judges a wave as a whole."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.daemon.embedded import Embedded, person
from tests.waiting import until


def handmade(root: Path) -> tuple[Embedded, str, str]:
    """A school whose only pupil has an account that somebody made by hand; anchors of both."""
    school = Embedded(root)
    with school.cloud.changing() as side:
        account = side.create("user", {"display_name": "A. Lang", "upn": "anna@school.example", "enabled": True})
    with school.school.changing() as side:
        pupil = side.create("user", {**person(1), "upn": "anna@school.example"})
    return school, pupil, account


def test_a_supposed_partner_is_linked_by_a_person(tmp_path: Path) -> None:
    school, pupil, account = handmade(tmp_path)
    school.run("sync")
    (held,) = school.run("quarantine", "--json").json["held"]
    assert held["rule"] == "correlate:unlinked"
    assert account in held["message"]
    assert list(school.accounts()) == ["anna@school.example"], "nothing is made meanwhile"

    refused = school.run("link", "0123", pupil, account)
    assert (refused.code, "--reason" in refused.err) == (1, True)
    wrong = school.run("link", "0123", pupil, pupil, "--reason", "the same girl")
    assert (wrong.code, "no living user of the cloud" in wrong.err) == (1, True)

    assert school.run("link", "0123", pupil, account, "--reason", "the same girl").code == 0
    school.run("sync")
    assert [one["display_name"] for one in school.accounts().values()] == ["Anna Lang"]
    assert school.run("quarantine", "--json").json["held"] == []
    again = school.run("link", "0123", pupil, account, "--reason", "once more")
    assert (again.code, "both ends already" in again.err) == (1, True)
    assert school.run("journal", "verify").code == 0


def test_released_instead_the_pupil_gets_an_account_of_her_own(tmp_path: Path) -> None:
    school, pupil, _ = handmade(tmp_path)
    school.run("sync")
    assert school.run("release", "0123", pupil, "--reason", "somebody else").code == 0
    school.run("sync")
    assert len(school.accounts()) == 2


def test_a_wave_that_comes_in_drops_is_judged_as_a_whole(tmp_path: Path) -> None:
    limit = "guard: {pause: 15s, thresholds: [{tally: disable, kind: user, count: 3, percent: 0}]}\n"
    school = Embedded(tmp_path, more=limit + "schedule: {school_poll: 1s, jitter: 0s}\n")
    school.fill(12)
    daemon = subprocess.Popen(
        [sys.executable, "-m", "bridge", "run"], env=school.environment(), stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: len(school.accounts()) == 12)
        for anchor in school.people[:6]:
            with school.school.changing() as side:
                side.delete(anchor)
            time.sleep(0.3)
        until(lambda: len(school.run("quarantine", "--json").json["held"]) == 6, seconds=90)
        assert sum(one["enabled"] for one in school.accounts().values()) == 12
        with school.school.changing() as side:
            side.change(school.people[7], {"display_name": "Anna Neu"})
        until(lambda: any(one["display_name"] == "Anna Neu" for one in school.accounts().values()))
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(timeout=90)


def test_a_field_given_to_the_cloud_needs_a_school_that_can_be_written(tmp_path: Path) -> None:
    school = Embedded(tmp_path, more="authority: {user: {surname: cloud}}\n")
    school.fill(2)
    assert school.run("sync").code == 0, "this school's file can be written"
    text = school.school_file.read_text().replace("kinds: [user, group]}", "kinds: [user, group], read_only: true}", 1)
    school.school_file.write_text(text)
    refused = school.run("sync")
    assert (refused.code, "authority of user surname" in refused.err) == (1, True)


def test_a_second_one_with_the_reference_of_somebody_mirrored_is_held_and_the_first_keeps_the_account(
    tmp_path: Path,
) -> None:
    school = Embedded(tmp_path)
    school.fill(1)
    school.run("sync")
    before = school.accounts()
    with school.school.changing() as side:
        second = side.create("user", {**person(0), "display_name": "Berta Lang", "login": "berta"})
    for _ in range(2):
        assert school.run("sync").code == 0
        (held,) = school.run("quarantine", "--json").json["held"]
        assert held["rule"] == "correlate:disputed"
        assert (
            f"user {second} of the school has the same source_anchor as {school.people[0]}, which has"
            in held["message"]
        )
        row = school.run("status", "--json").json["schools"][0]
        assert (row["held"], row["messages"]) == (1, [held["message"]])
        assert school.accounts() == before
    told = school.run("explain", "user", "Berta", "--json").json["found"]
    assert [one["trouble"]["rule"] for one in told] == ["correlate:disputed"]
    with school.school.changing() as side:
        side.change(second, {"source_anchor": "P-second"})
    school.run("sync")
    assert school.run("quarantine", "--json").json["held"] == []
    assert sorted(one["display_name"] for one in school.accounts().values()) == ["Anna Lang", "Berta Lang"]


def test_an_account_whose_pupil_left_before_the_answer_came_is_shown_and_left_alone(tmp_path: Path) -> None:
    school = Embedded(tmp_path)
    school.fill(2)
    with school.cloud.changing() as side:
        made = {"source_anchor": "gone", "display_name": "Cora Lang", "upn": "cora@school.example"}
        lost = side.create("user", {**made, "enabled": True})
        side.create("user", {**made, "source_anchor": "off", "upn": "off@school.example", "enabled": False})
        side.create("user", {"display_name": "By hand", "upn": "hand@school.example", "enabled": True})
    assert school.run("sync").code == 0
    for _ in range(2):
        row = school.run("status", "--json").json["schools"][0]
        assert row["orphans"] == 1
        assert any("belong to nobody" in one["text"] and one["colour"] == "amber" for one in row["causes"])
        answer = school.run("quarantine", "--json").json
        assert [one["anchor"] for one in answer["orphans"]] == [lost]
        assert lost in school.run("quarantine").out
        assert lost in school.run("explain", "user", lost).out
        school.run("sync", "--full")
        assert school.accounts()["cora@school.example"]["enabled"], "only a person can know"
    # Whoever leaves in the usual way is no orphan, and neither is the account once its pupil is back.
    with school.school.changing() as side:
        side.delete(school.people[0])
        side.create("user", {**person(7), "source_anchor": "gone"})
    school.run("sync")
    assert school.run("status", "--json").json["schools"][0]["orphans"] == 0
