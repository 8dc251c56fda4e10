"""The systemd unit that the docs show is the one that is shipped."""

from tests.docs.draw import DOCS

UNIT = DOCS.parent / "systemd" / "schoolbridge.service"


def test_the_unit_shown_is_the_unit_shipped() -> None:
    shown = (DOCS / "operate.md").read_text("utf-8").split("```ini\n")[1].split("```")[0]
    assert shown == UNIT.read_text("utf-8")
