"""Members in ranges as Windows sends them, from a stand-in for the connection; Samba does not cut by itself."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.ports import Unreachable
from connectors.active_directory.session import Session
from connectors.active_directory.wire import Entry, entry_of

GUID = "11111111-2222-3333-4444-555555555555"
MEMBERS = [b"<GUID=%08d-2222-3333-4444-555555555555>;CN=m,DC=x" % number for number in range(4000)]


class Windows:
    """Answers base searches for a range with at most 1,500 values (MS-ADTS 3.1.1.3.1.3.3)."""

    def __init__(self, members: list[bytes]) -> None:
        self.members = members
        self.asked: list[str] = []
        self.before_answer = lambda: None

    def search(self, base: str, condition: str, *, attributes: list[str], **more: Any) -> Any:
        self.before_answer()
        self.asked += attributes
        first = int(attributes[0].split("=")[1].split("-")[0]) if ";range=" in attributes[0] else 0
        return True, {"result": 0}, [self.answer(first)], None

    def answer(self, first: int) -> dict[str, Any]:
        part = self.members[first : first + 1500]
        end = "*" if first + 1500 >= len(self.members) else str(first + 1499)
        attributes = {"member": [], f"member;range={first}-{end}": part} if part else {"member": []}
        return {"type": "searchResEntry", "dn": f"<GUID={GUID}>;CN=g,DC=x", "raw_attributes": attributes}


def session(windows: Windows) -> Session:
    made = Session.__new__(Session)
    made.server, made.requests = "ldaps://windows", 0
    made._connection = windows  # type: ignore[assignment, unused-ignore]
    return made


def first_answer(windows: Windows) -> Entry:
    entry = entry_of(windows.answer(0))
    assert entry
    return entry


def test_4000_members_come_whole() -> None:
    windows = Windows(MEMBERS)
    whole = session(windows).completed(first_answer(windows))
    assert list(whole.values["member"]) == MEMBERS
    assert list(whole.values) == ["member"]
    assert windows.asked == ["member;range=1500-*", "member;range=3000-*"]


@pytest.mark.parametrize("count", [1499, 1500, 1501])
def test_around_the_limit(count: int) -> None:
    windows = Windows(MEMBERS[:count])
    assert list(session(windows).completed(first_answer(windows)).values["member"]) == MEMBERS[:count]


def test_a_list_that_shrinks_meanwhile_is_not_taken_for_the_whole() -> None:
    windows = Windows(MEMBERS)
    first = first_answer(windows)
    windows.members = MEMBERS[:1000]
    with pytest.raises(Unreachable, match="changed while it was read"):
        session(windows).completed(first)
