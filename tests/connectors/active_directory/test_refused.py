"""A password that was refused is not tried again and again: each try counts towards the account's lockout."""

import asyncio

import pytest

from bridge.ports import Refused
from connectors.active_directory import directory as directories
from connectors.active_directory.directory import REFUSED_FOR, Directory
from connectors.active_directory.options import Options


@pytest.fixture
def tries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Passwords that reached a server; every one is wrong."""
    seen: list[str] = []

    def log_in(_options: Options, server: str, password: object, **_more: object) -> None:
        assert callable(password)
        seen.append(str(password()))
        raise Refused(f"{server} does not let the bridge in: the password is wrong")

    monkeypatch.setattr(directories, "Session", log_in)
    return seen


def test_a_refused_password_waits_and_another_one_does_not(tries: list[str]) -> None:
    now, secret = 0.0, "old"
    options = Options.model_validate(
        {
            "servers": ["ldaps://dc1.school.example", "ldaps://dc2.school.example"],
            "account": "bridge@school.example",
            "password": "env:NONE",
            "scope": {"ous": ["OU=Schule"]},
            "roles": [{"role": "pupil", "when": "true"}],
        }
    )
    directory = Directory(options, lambda: secret, monotonic=lambda: now)

    def ask() -> None:
        with pytest.raises(Refused, match="password is wrong"):
            asyncio.run(directory.run(lambda session: session))

    for _ in range(5):
        ask()
    assert tries == ["old"]
    secret = "new"
    ask()
    ask()
    assert tries == ["old", "new"]
    now = REFUSED_FOR
    ask()
    assert tries == ["old", "new", "new"]
