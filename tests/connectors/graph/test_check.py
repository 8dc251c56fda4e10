"""``check``: what the gates of a cutover count with is told as numbers, by a sandbox that keeps them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bridge.core.gates import FAIL, PASS
from bridge.core.model import Side
from bridge.daemon.measuring import sides
from bridge.daemon.measuring.sides import Demand, Probed, Told
from bridge.ports import Finding, Topic
from connectors.graph.connector import build
from connectors.sandbox.tls import KeyPair
from tests.connectors.graph.kit import STUDENT, Timeline, application, connector, context, options
from tests.sandbox.plugin import MakeSandbox

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)


async def test_clock_and_licences_are_told_as_numbers_that_the_gates_count_with(make_sandbox: MakeSandbox) -> None:
    sandbox = await make_sandbox(tls=True, applications=[application()])
    sandbox.load({"skus": [{**STUDENT, "enabled": 3}]})
    graph = connector(sandbox)
    found = await graph.check()
    await graph.close()
    (clock,) = (one for one in found if one.topic is Topic.CLOCK)
    assert 0 <= clock.numbers["seconds"] < 30
    (stock,) = (one for one in found if one.topic is Topic.LICENCES)
    assert stock.numbers == {"left": 3}
    told = [Told(f"{side} side", side, one) for one in found for side in Side]
    assert sides.clock(Probed(told), NOW).result == PASS
    assert sides.capacity(Probed(told), Demand(accounts=3), NOW).result == PASS
    assert sides.capacity(Probed(told), Demand(accounts=4), NOW).result == FAIL
    assert sides.credentials(Probed(told), NOW).result == PASS


async def test_a_certificate_tells_when_it_ends(make_sandbox: MakeSandbox, client_certificate: KeyPair) -> None:
    only = replace(application(certificates=(client_certificate.certificate,)), secrets=())
    sandbox = await make_sandbox(tls=True, applications=[only])
    secrets = {"file:both.pem": (client_certificate.private_key + client_certificate.certificate).encode()}
    for days, result in ((0, PASS), (36_500, FAIL)):
        moment = datetime.now(UTC).replace(year=datetime.now(UTC).year + days // 365)
        late = replace(context(Timeline(), secrets), clock=lambda moment=moment: moment)  # type: ignore[misc]
        graph = build(options(sandbox, certificate="file:both.pem"), late)
        found: dict[str, Finding] = {one.subject: one for one in await graph.check()}
        await graph.close()
        left = found["certificate"].numbers["days_left"]
        assert (left >= sides.DAYS) == (result == PASS)
        told = [Told(f"{side} side", side, found["certificate"]) for side in Side]
        assert sides.credentials(Probed(told), NOW).result == result
