"""hub.yaml, the hub's keys and its commands."""

import io
import json
import logging
import os
import shutil
import stat
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.cli import main
from bridge.hub import authority
from bridge.hub.settings import load_hub, shown
from bridge.ports import ConfigurationError
from bridge.settings import SettingsError
from tests.fleet.live_hub import settings_in

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)


def test_the_example_loads_and_shows_no_secret() -> None:
    settings = load_hub(ROOT / "config/hub.yaml")
    assert [one.name for one in settings.waves(["0123", "0456"])] == ["pilot", "the rest"]
    assert settings.waves(["0123", "0456"])[1].schools == ("0456",)
    assert len(settings.spans) == 1
    assert shown(settings)["state"]["password"] == "credential:hub-database"


WRONG = {
    "sitess: {}": (8, "unknown key"),
    "silence: {amber: 20m, red: 5m}": (0, "red comes before amber"),
    "waves: [{name: a, schools: rest}, {name: b, schools: ['1']}]": (8, "nothing can come after it"),
    "waves: [{name: a, schools: ['1']}, {name: b, schools: ['1']}]": (8, "in the wave a already"),
    "state: {url: 'mysql://x'}": (2, "there twice"),
    "notify: [{name: x}]": (8, "is missing"),
}


@pytest.mark.parametrize("line", WRONG)
def test_mistakes_are_told_with_their_place(tmp_path: Path, line: str) -> None:
    row, words = WRONG[line]
    with pytest.raises(SettingsError) as caught:
        settings_in(tmp_path, more=line + "\n")
    text = str(caught.value)
    assert str(tmp_path / "hub.yaml") in text
    assert words in text or all(word in text for word in words.split())
    assert not row or f":{row + 2}" in text or row == 2


def test_a_password_and_another_database_are_refused(tmp_path: Path) -> None:
    for url in ("mysql://x/y", "postgresql://a:secret@b/c"):
        with pytest.raises(SettingsError) as caught:
            settings_in(tmp_path, url=url)
        assert "secret@" not in str(caught.value)


def test_keys_are_made_once_and_only_for_the_own_account(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    assert authority.make(folder, NOW)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(before) == ["authority.key", "authority.pem", "orders.key"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert not authority.make(folder, NOW)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert authority.read(folder).expires > NOW + timedelta(days=3000)
    (folder / "orders.key").chmod(0o640)
    with pytest.raises(ConfigurationError, match="others may read"):
        authority.read(folder)


def test_a_crash_while_keys_are_made_is_made_good_and_a_lost_certificate_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    authority.make(folder, NOW)
    (folder / "authority.key").unlink()  # the crash came before it
    (folder / ".authority.key.new").write_bytes(b"half")
    assert authority.make(folder, NOW)
    authority.read(folder)
    certificate = (folder / "authority.pem").read_bytes()
    (folder / "authority.pem").unlink()
    with pytest.raises(ConfigurationError, match="from a backup"):
        authority.make(folder, NOW)
    authority.make(tmp_path / "other", NOW)
    (folder / "authority.pem").write_bytes((tmp_path / "other/authority.pem").read_bytes())
    (folder / "authority.pem").chmod(0o600)
    with pytest.raises(ConfigurationError, match="is not the key of"):
        authority.read(folder)
    (folder / "authority.pem").write_bytes(certificate)
    authority.read(folder)


def test_the_server_s_certificate_is_renewed_in_time(tmp_path: Path) -> None:
    authority.make(tmp_path / "keys", NOW)
    made = authority.ServerCertificate(authority.read(tmp_path / "keys"), ["127.0.0.1"], NOW)
    context, before = made.context, made.expires
    assert not made.renew(NOW + timedelta(days=59))
    assert made.renew(NOW + timedelta(days=61))
    assert made.expires == before + timedelta(days=61)
    assert made.context is context, "the socket uses it already"


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command inside this process: the same words, answers and exit codes, much faster."""
    out, err, root = io.StringIO(), io.StringIO(), logging.getLogger()
    before = root.handlers[:]
    try:
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
            main(["--config", str(folder / "hub.yaml"), "hub", *words])
    finally:
        root.handlers = before
    return subprocess.CompletedProcess(words, int(end.value.code or 0), out.getvalue(), err.getvalue())


def test_commands_set_up_a_hub_and_say_what_is_wrong(tmp_path: Path) -> None:
    settings_in(tmp_path)
    without = command(tmp_path, "run")
    assert (without.returncode, "hub init" in without.stderr) == (1, True)
    before = command(tmp_path, "check")
    assert before.returncode == 1
    assert before.stdout.count("hub init") == 2
    assert list(tmp_path.iterdir()) == [tmp_path / "hub.yaml"], "looking leaves no trace"
    assert command(tmp_path, "init").returncode == 0
    assert command(tmp_path, "check").returncode == 0
    (tmp_path / "keys").rename(tmp_path / "moved")
    without = command(tmp_path, "init")
    assert (without.returncode, "Copy them from" in without.stderr) == (1, True)
    authority.make(tmp_path / "keys", NOW)
    other = command(tmp_path, "run")
    assert (other.returncode, "not those of its database" in other.stderr) == (1, True)
    shutil.rmtree(tmp_path / "keys")
    (tmp_path / "moved").rename(tmp_path / "keys")
    ticket = tmp_path / "ticket"
    done = command(tmp_path, "enrol", "west", "--school", "0123", "--file", str(ticket))
    assert (done.returncode, ticket.read_text().strip() in done.stdout + done.stderr) == (0, False)
    site, secret, fingerprint = ticket.read_text().strip().rsplit(".", 2)
    assert (site, len(fingerprint), stat.S_IMODE(ticket.stat().st_mode)) == ("west", 64, 0o600)
    assert secret.encode() not in (tmp_path / "hub.db").read_bytes()
    for words, expected in (
        (("enrol", "east", "--school", "0123"), "hub assign 0123 east"),
        (("enrol", "east"), "--school CODE"),
        (("enrol", "east", "--school", "hub"), "no school is called"),
        (("enrol", "west", "--file", str(ticket)), "not there yet"),
        (("assign", "0123", "nowhere", "--reason", "x"), "there are west"),
        (("revoke", "wets", "--reason", "x"), "did you mean west"),
        (("revoke", "west", "--reason", " "), "--reason is empty"),
    ):
        wrong = command(tmp_path, *words)
        assert (wrong.returncode, expected in wrong.stderr, "Traceback" in wrong.stderr) == (1, True, False), wrong
    (told,) = json.loads(command(tmp_path, "sites", "--json").stdout)["sites"]
    assert (told["site"], told["schools"], told["state"], told["heard"]) == ("west", ["0123"], "invited", None)


def test_another_account_s_state_is_not_touched(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to give a file away")
    settings_in(tmp_path)
    command(tmp_path, "init")
    os.chown(tmp_path / "hub.db", 65534, 65534)
    assert "another account" in command(tmp_path, "sites").stderr
