"""Installing Debian packages: nothing to do is known without a network, and the machine's policy file comes back."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from bridge.lab import packages


def test_only_what_is_not_installed_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    if not packages.shutil.which("dpkg-query"):
        pytest.skip("no dpkg on this machine")
    monkeypatch.setitem(packages.NEEDED, "postgresql", ("dpkg", "no-such-package-of-schoolbridge"))
    assert packages.missing(["postgresql"]) == ["no-such-package-of-schoolbridge"]


def test_nothing_is_run_when_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    if not packages.shutil.which("dpkg-query"):
        pytest.skip("no dpkg on this machine")
    monkeypatch.setitem(packages.NEEDED, "postgresql", ("dpkg",))
    monkeypatch.setattr(packages, "install", lambda _: pytest.fail("nothing was missing"))
    assert packages.main(["postgresql"]) == 0


def test_an_ordinary_user_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packages.os, "geteuid", lambda: 1000)
    monkeypatch.setitem(packages.NEEDED, "samba", ("no-such-package-of-schoolbridge",))
    assert packages.main(["samba"]) == 1
    assert "apt-get install --no-install-recommends no-such-package-of-schoolbridge" in capsys.readouterr().out


def test_an_unknown_server_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert packages.main(["sambaa"]) == 2
    assert "sambaa" in capsys.readouterr().out


def test_the_policy_file_is_made_and_removed(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with packages.no_daemons(policy):
        assert "exit 101" in policy.read_text()
        assert policy.stat().st_mode & stat.S_IXUSR
    assert not policy.exists()


def test_a_policy_file_that_was_there_comes_back_even_after_an_error(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    policy.chmod(0o700)

    def fail_inside() -> None:
        with packages.no_daemons(policy):
            assert "exit 101" in policy.read_text()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_inside()
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"
    assert stat.S_IMODE(policy.stat().st_mode) == 0o700
