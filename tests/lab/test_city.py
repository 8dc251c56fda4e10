"""The city of the fleet demo: the same from each seed; its lines can be cut and mended; all of it found true (soak)."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bridge.lab.building_site import shifted
from bridge.lab.city import SCHOOLS, draw_city
from bridge.lab.demo_cast import Cast, waves
from bridge.lab.line import Lines


def test_a_city_is_the_same_each_time_and_nothing_in_it_is_there_twice() -> None:
    city = draw_city()
    assert city == draw_city()
    assert city != draw_city(seed=2)
    assert len(city) == SCHOOLS == 41
    for of in ("code", "site", "name", "domain"):
        assert len({getattr(one, of) for one in city}) == SCHOOLS
    assert all(20 <= len(one.school.people) <= 65 for one in city)


@pytest.mark.parametrize("count", [3, 5, 6, 10, 41])
def test_everybody_is_in_one_wave_and_plays_one_part(count: int) -> None:
    city = draw_city(count)
    cast, plan = Cast.of(city), waves(city)
    named = [code for wave in plan if wave["schools"] != "rest" for code in wave["schools"]]
    assert named == [*cast.pilot, *cast.second]
    assert len(set(named)) == len(named) <= count
    assert (plan[-1]["schools"] == "rest") == (len(named) < count)
    assert cast.failing
    assert cast.unplugged


def test_a_line_carries_is_cut_and_is_mended() -> None:
    with socket.create_server(("127.0.0.1", 0)) as echo:
        threading.Thread(target=_echo, args=(echo,), daemon=True).start()
        lines = Lines()
        try:
            line = lines.open(*echo.getsockname())
            with socket.create_connection(("127.0.0.1", line.port), timeout=10) as way:
                assert _said(way, b"one") == b"one"
                line.cut()
                assert _dropped(way), "what runs over it is dropped"
                with socket.create_connection(("127.0.0.1", line.port), timeout=10) as other:
                    assert _dropped(other), "nobody is answered"
            line.mend()
            with socket.create_connection(("127.0.0.1", line.port), timeout=10) as way:
                assert _said(way, b"two") == b"two"
        finally:
            lines.stop()


def _echo(server: socket.socket) -> None:
    while True:
        try:
            one, _ = server.accept()
        except OSError:
            return
        threading.Thread(
            target=lambda one=one: [one.sendall(piece) for piece in iter(lambda: one.recv(100), b"")]
        ).start()


def _said(way: socket.socket, what: bytes) -> bytes:
    way.sendall(what)
    return way.recv(100)


def _dropped(way: socket.socket) -> bool:
    try:
        return way.recv(100) == b""
    except ConnectionError:
        return True


def test_the_clock_of_one_process_can_be_wrong() -> None:
    try:
        environment = shifted(-1500)
    except LookupError as error:
        pytest.skip(str(error))
    code = "import time; print(time.time(), time.monotonic())"
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    there, timer = map(float, told.stdout.split())
    here, own = map(
        float, subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert 1400 < here - there < 1600
    assert 0 <= own - timer < 100, "timers go as they should"


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("sites", [6, 41])
def test_the_fleet_demo(sites: int, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "bridge", "demo-fleet", "--sites", str(sites), "--report", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert all(step["ok"] for step in json.loads(report.read_text())["steps"])
