"""Who looks at the board while sites report: a bare client, so that it takes little of the machine it measures."""

from __future__ import annotations

import http.client
import json
import os
import re
import sys
import time
from urllib.parse import urlencode

#: Seconds between two looks of each kind.
PERIOD = 2.0


def main(port: int, seconds: float) -> None:
    """Look, and print what each look took."""
    took: dict[str, list[float]] = {"API": [], "page": []}
    sizes: dict[str, int] = {}
    token = os.environ["BENCH_TOKEN"]
    headers = {"Authorization": f"Bearer {token}"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    cookie = logged_in(connection, token, port)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for what, path, more in (("API", "/api/v1/schools", headers), ("page", "/", {"Cookie": cookie})):
            begun = time.perf_counter()
            connection.request("GET", path, headers=more)
            answer = connection.getresponse()
            body = answer.read()
            took[what].append((time.perf_counter() - begun) * 1000)
            assert answer.status == 200, (path, answer.status, body[:200])
            sizes[what] = len(body)
            time.sleep(PERIOD / 2)
    print(json.dumps({what: _summed(values, sizes[what]) for what, values in took.items()}))


def logged_in(connection: http.client.HTTPConnection, token: str, port: int) -> str:
    """The cookie of a browser that logged in with the token."""
    connection.request("GET", "/login")
    answer = connection.getresponse()
    page = answer.read().decode()
    first = (answer.getheader("Set-Cookie") or "").split(";")[0]
    fields = dict(re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page))
    body = urlencode({**fields, "secret": token})
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": first,
        "Origin": f"http://127.0.0.1:{port}",
    }
    connection.request("POST", "/login", body, headers)
    answer = connection.getresponse()
    answer.read()
    found = (answer.getheader("Set-Cookie") or "").split(";")[0]
    assert found, (answer.status, page[:2000])
    return found


def _summed(values: list[float], size: int) -> dict[str, float]:
    values.sort()
    return {"p50": values[len(values) // 2], "p95": values[int(len(values) * 0.95)], "bytes": size}


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
