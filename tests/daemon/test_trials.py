"""What an admin meets on a bad day, tried on the real daemon and a real domain controller."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.lab.directories import SambaDirectory
from bridge.lab.seed import SchoolSize, draw_school
from tests.daemon.embedded import Embedded
from tests.daemon.test_service import daemon
from tests.servers import SambaFactory
from tests.waiting import until

SMALL = draw_school(3, SchoolSize(pupils=60, teachers=8, staff=3, leavers=2, newcomers=3, groups=50))


def seen(school: Embedded) -> dict[str, Any]:
    """What ``status`` says of the school."""
    (row,) = school.run("status", "--json").json["schools"]
    return dict(row)


@pytest.mark.samba
def test_a_school_server_that_is_off_shows_at_once_and_is_found_again(tmp_path: Path, samba_dc: SambaFactory) -> None:
    server = samba_dc(school=SMALL)
    school = Embedded(tmp_path)
    options = SambaDirectory(server, tmp_path / "reader.password").options(SMALL)
    tree = {
        "version": 1,
        "school": "0123",
        "name": "Gymnasium am Ölberg",
        "initial_stage": "hybrid",
        "school_side": options,
        "cloud_side": {"connector": "memory", "name": "cloud", "path": str(school.root / "cloud.json")},
        "naming": {"domain": "school.example"},
    }
    school.school_file.write_text(json.dumps(tree))  # JSON is YAML
    with daemon(school):
        until(lambda: seen(school)["health"] == "green")
        accounts = school.accounts()
        address = server.ip
        server.outage()
        # Long before the schedule would ask it again (a minute).
        until(lambda: seen(school)["health"] == "amber", seconds=15)
        (cause,) = seen(school)["causes"]
        assert f"ldaps://{address} does not answer" in cause["text"]
        assert cause["since"] is not None
        server.restart()
        assert server.ip == address
        until(lambda: seen(school)["health"] == "green", seconds=60)
    assert school.accounts() == accounts
    assert len(accounts) > 60
