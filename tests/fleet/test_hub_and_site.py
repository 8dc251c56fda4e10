"""Both ends as they ship: the site's own line, enrolment and papers against the hub's own door."""

import asyncio
from pathlib import Path

import pytest

from bridge.fleet.messages import Report
from bridge.hub.run import Hub
from bridge.ports import ConfigurationError
from bridge.state import hub_sites
from bridge.uplink import papers
from bridge.uplink.enrol import Ticket, enrol, renew
from bridge.uplink.line import Away, Line
from tests.fleet.live_hub import LiveHub, report_of, state


def ticket(hub: Hub, secret: str) -> Ticket:
    return Ticket.parse(f"west.{secret}.{hub.keys.fingerprint}")


async def test_a_site_enrols_by_its_ticket_reports_waits_and_renews(hub: LiveHub, tmp_path: Path) -> None:
    """The fingerprint is found in the chain that the hub shows; after that its authority alone is believed."""
    secret = await asyncio.to_thread(hub.invite, "west", "0123")
    folder = tmp_path / "papers"
    papers.prepare(folder)
    other = Ticket.parse(f"west.{secret}.{'0' * 64}")
    with pytest.raises(ConfigurationError, match="not the hub that this ticket is from"):
        await enrol(hub.url, other, folder)
    assert list(await enrol(hub.url, ticket(hub.hub, secret), folder)) == ["0123"]
    known = papers.read(folder)
    database = hub.hub.database
    async with Line(hub.url, known.context()) as line:
        made = report_of(1, [state("0123", 1)], database.clock().isoformat())
        receipt = await line.report(Report.model_validate(made))
        assert (receipt.verdict, receipt.seq) == ("applied", 1)
        assert (await line.wait(0)).commands == []
        await renew(line, known)
    async with Line(hub.url, papers.read(folder).context()) as line:
        assert (await line.wait(0)).verdict == "none"
        await asyncio.to_thread(hub_sites.revoke, database, "west", actor="test", reason="stolen")
        with pytest.raises(Away, match="revoked"):
            await line.report(Report.model_validate(made))
