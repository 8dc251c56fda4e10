"""One school's certificate in wrong hands: whatever that site tells of its school, all others are shown and counted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from bridge.hub.foreseen import foresee
from bridge.hub.known import known
from bridge.hub.progress import progress
from bridge.hub.telling import concerns
from bridge.hub.wave_shown import shown_plan
from tests.dashboard.test_http import Visitor
from tests.fleet.hub_kit import FIRST, OTHER, THIRD, FakeSite, Hub, hub_file, serving, view

FAR = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00")
#: (what it is, kind, body)
BODIES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("no view", "school", {"view": "x", "progress": 5}),
    ("a list", "school", {"view": [1], "progress": []}),
    ("a stage that is none", "school", {"view": {**view(), "stage": ["hybrid"]}}),
    ("a number that is none", "school", {"view": {**view(), "held": "many", "amounts": {"files_total": "x"}}}),
    ("amounts that are none", "school", {"view": {**view(), "amounts": [3]}}),
    ("a number without end", "school", {"view": {**view(), "held": 10**400, "amounts": {"bytes": 10**400}}}),
    ("long ago", "school", {"view": {**view(), "stage_since": FAR[0], "last_cycle": FAR[0], "appointment": FAR[0]}}),
    ("far away", "school", {"view": {**view(), "stage_since": FAR[1], "last_cycle": FAR[1], "appointment": FAR[1]}}),
    ("without a zone", "school", {"view": {**view(), "appointment": "2027-01-01T00:00:00"}}),
    ("a cause", "school", {"view": {**view(), "causes": [{"colour": "red", "text": "x", "since": FAR[1]}]}}),
    (
        "half a letter",
        "school",
        {"view": {**view(), "name": "\ud800", "causes": [{"colour": "red", "text": "\ud800"}]}},
    ),
    (
        "a script",
        "school",
        {"view": {**view(), "name": "<script>x", "causes": [{"colour": "red", "text": "<script>x"}]}},
    ),
    ("long", "school", {"view": {**view(), "name": "x" * 400_000, "records": {str(n): n for n in range(4000)}}}),
    ("a past that is none", "cutover", {"school": FIRST, "stage": "hybrid", "past": 5, "run": "x"}),
    ("a stage in a list", "cutover", {"school": FIRST, "stage": ["hybrid"]}),
    ("a run long ago", "cutover", {"school": FIRST, "stage": "hybrid", "past": [{"started": FAR[0], "ended": FAR[1]}]}),
    ("a run far away", "cutover", {"school": FIRST, "stage": "hybrid", "run": {"started": FAR[1], "deadline": FAR[1]}}),
    ("an appointment", "cutover", {"school": FIRST, "stage": "hybrid", "appointment": FAR[1]}),
    ("a version", "configuration", {"version": [1], "digest": 5}),
    ("a notice", "notice", {"severity": ["x"], "over": {"a": 1}, "text": 5}),
    ("a run that is none", "run", {"id": 5, "step": [], "outcome": {}}),
    ("a head", "head", {"seq": 10**30, "hash": 5}),
)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    waves = [{"name": "all", "schools": [FIRST, OTHER, THIRD]}]
    url = f"sqlite:///{tmp_path_factory.mktemp('hub') / 'hub.db'}"
    with serving(url, hub=hub_file(waves=waves)) as it, FakeSite(it, "north", looks=lambda order: "not now"):
        yield it


async def _pages(hub: Hub, token: str) -> None:
    """As a browser gets them."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        one = Visitor(http, hub.root)
        await one.log_in(token)
        for path in ("/", "/waves", f"/school/{FIRST}", f"/school/{FIRST}/cutover"):
            text = await one.get(path)
            assert one.status == 200, (path, text)
            assert "<script>x" not in text


@pytest.mark.parametrize(("kind", "body"), [one[1:] for one in BODIES], ids=[one[0] for one in BODIES])
def test_whatever_one_site_tells_all_others_are_shown_and_counted(hub: Hub, kind: str, body: dict[str, Any]) -> None:
    token = hub.token("read", "operate", "approve")
    hub.sites.school("north", OTHER)
    hub.sites.school("south", THIRD)
    hub.sites.school("north", FIRST)
    hub.sites.tell("north", (FIRST, kind, body))
    hub.look()
    board = hub.ask("/api/v1/schools", token)
    assert (board.status, [one["code"] for one in board.json]) == (200, [FIRST, OTHER, THIRD]), board.body
    assert len(board.body) < 50_000
    others = {one["code"]: one["health"] for one in board.json}
    assert (others[OTHER], others[THIRD]) == ("green", "green")
    for path in (f"/api/v1/schools/{FIRST}", f"/api/v1/schools/{FIRST}/cutover", "/metrics"):
        assert hub.ask(path, token).status == 200, path
    hub.do(_pages(hub, token))
    now = hub.clock() + timedelta(hours=1)
    with hub.database.read() as connection:
        assert set(known(connection)) == {FIRST, OTHER, THIRD}
    assert set(foresee(hub.settings.hub, hub.database).tree()["schools"]) == {FIRST, OTHER, THIRD}
    assert progress(hub.settings.hub, hub.database)
    assert shown_plan(hub.settings.hub, hub.database)
    assert concerns(hub.settings.hub, hub.database, now)
