"""In which order links come up: by rank and age, files from the latest on."""

from __future__ import annotations

from bridge.ports import Observation, Pair
from bridge.state import SchoolStore
from tests.state.words import NOW, SCHOOL, folder, group, page, user


def _touched(store: SchoolStore, *seen: Observation) -> None:
    store.fold(SCHOOL, page(*seen), now=NOW)
    store.pair([Pair(f"L{one.anchor}", one.kind, one.anchor, None) for one in seen])


def test_the_latest_files_come_first_and_folders_before_them(store: SchoolStore) -> None:
    files = [Observation("file", f"f{number}", "1", {"name": f"{number}", "parent": None}) for number in range(5)]
    _touched(store, *files, folder("d1", "one"), folder("d2", "two"), user("u1"), user("u2"), group("g1"))
    wanted = ["Lu1", "Lu2", "Lg1", "Ld1", "Ld2", "Lf4", "Lf3", "Lf2", "Lf1", "Lf0"]
    for limit in (1, 2, 3, 100):
        found: list[str] = []
        after: tuple[int, str] | None = None
        while batch := store.due(NOW, after, limit):
            assert len(batch) <= limit
            found += [one.id for one in batch]
            after = (store.kinds[batch[-1].kind].rank, batch[-1].id)
        assert found == wanted, limit
