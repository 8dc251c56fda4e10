"""Wrong tokens and too many requests are slowed down; who has a valid token is not locked out by others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.api.limits import WRONG, Buckets, Wrong
from tests.api.kit import Served, served


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    place: Path = tmp_path_factory.mktemp("limits")
    with served(place, more="api: {per_minute: 600}\n") as it:
        yield it


def test_s8_wrong_tokens_are_limited_and_valid_ones_are_not(api: Served) -> None:
    good = api.token("read")
    seen = [api.ask("/api/v1/schools", f"sb_{number:012x}_{'x' * 43}") for number in range(WRONG + 5)]
    assert [one.status for one in seen] == [401] * WRONG + [429] * 5
    assert int(seen[-1].headers["retry-after"]) > 0
    assert api.ask("/api/v1/schools", good).status == 200


def test_too_many_requests_of_one_token(api: Served) -> None:
    token, other = api.token("read"), api.token("read")
    seen = [api.ask("/api/v1/tokens", token) for _ in range(200)]
    refused = [one for one in seen if one.status == 429]
    assert refused
    assert int(refused[0].headers["retry-after"]) >= 1
    assert api.ask("/api/v1/tokens", other).status == 200


def test_a_bucket_fills_again() -> None:
    now = [0.0]
    bucket = Buckets(lambda: now[0])
    assert [bucket.wait("a", 600) for _ in range(60)] == [0.0] * 60
    assert bucket.wait("a", 600) > 0
    now[0] += 1.0
    assert [bucket.wait("a", 600) == 0.0 for _ in range(11)] == [True] * 10 + [False]


def test_what_was_wrong_is_forgotten_in_time() -> None:
    now = [0.0]
    wrong = Wrong(lambda: now[0])
    for _ in range(WRONG):
        assert wrong.wait("a") == 0.0
        wrong.note("a")
    assert wrong.wait("a") == 300.0
    assert wrong.wait("b") == 0.0
    now[0] += 301
    assert wrong.wait("a") == 0.0
