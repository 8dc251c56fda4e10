"""The sandbox as a process: one ready line, state over restarts, a clean stop, no secrets in the arguments."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msal
import pytest

from connectors.sandbox import TENANT_ID, Application, MovableClock, Sandbox
from tests.sandbox.client import PASSWORD, connected, new_group, new_user
from tests.sandbox.openapi_check import Checker

APPLICATIONS = [{"client_id": "app-1", "secrets": ["process-secret"]}]


@dataclass
class Running:
    """A started process and its ready line."""

    process: asyncio.subprocess.Process
    ready: dict[str, Any]


@contextlib.asynccontextmanager
async def started(*arguments: str, killed: bool = False) -> AsyncIterator[Running]:
    environment = {
        **os.environ,
        "SANDBOX_ADMIN_KEY": "process-key",
        "SANDBOX_APPLICATIONS": json.dumps(APPLICATIONS),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "connectors.sandbox", *arguments, stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        yield Running(process, json.loads(line))
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(process.wait(), 20)
    assert code == (-signal.SIGKILL if killed else 0)


async def token(session: aiohttp.ClientSession, base_url: str) -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": "app-1",
        "client_secret": "process-secret",
        "scope": "https://graph.microsoft.com/.default",
    }
    async with session.post(f"{base_url}/{TENANT_ID}/oauth2/v2.0/token", data=form) as answer:
        return str((await answer.json(content_type=None))["access_token"])


def arguments_of(process: int) -> str:
    return Path(f"/proc/{process}/cmdline").read_text()


def kept(folder: Path) -> bytes:
    """All that the state file and its log hold."""
    return b"".join(path.read_bytes() for path in folder.glob("tenant.db*"))


async def test_process_keeps_tenant_and_tokens_over_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "tenant.db"
    seed = tmp_path / "seed.json"
    seed.write_text(json.dumps({"users": [{**new_user("seeded"), "passwordProfile": None}]}))
    options = ("--state", str(state), "--seed", str(seed))
    async with aiohttp.ClientSession() as session:
        async with started(*options) as first:
            url = first.ready["graph_url"]
            bearer = await token(session, first.ready["base_url"])
            headers = {"Authorization": f"Bearer {bearer}"}
            async with session.post(f"{url}/users", json=new_user("anna"), headers=headers) as answer:
                user = (await answer.json(content_type=None))["id"]
            async with session.get(f"{url}/users/delta", headers=headers) as answer:
                link = (await answer.json(content_type=None))["@odata.deltaLink"]
            assert "process-secret" not in arguments_of(first.process.pid)
        port = first.ready["base_url"].rsplit(":", 1)[1]
        async with started(*options, "--port", port):
            change = {"jobTitle": "x"}
            async with session.patch(f"{url}/users/{user}", json=change, headers=headers) as answer:
                assert answer.status == 204
            async with session.get(link, headers=headers) as answer:
                found = (await answer.json(content_type=None))["value"]
            assert [(one["id"], one["jobTitle"]) for one in found] == [(user, "x")]
            async with session.get(f"{url}/users", headers=headers) as answer:
                assert len((await answer.json(content_type=None))["value"]) == 2, "seeded once only"
    assert oct(state.stat().st_mode & 0o777) == "0o600"
    assert PASSWORD.encode() not in kept(tmp_path)


async def test_process_over_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    async with started("--tls", "--domain", "gym.example") as running:

        def ask() -> dict[str, Any]:
            app = msal.ConfidentialClientApplication(
                "app-1",
                client_credential="process-secret",
                authority=f"{running.ready['base_url']}/{TENANT_ID}",
                instance_discovery=False,
                verify=running.ready["ca_file"],
            )
            return dict(app.acquire_token_for_client(["https://graph.microsoft.com/.default"]))

        assert "access_token" in await asyncio.to_thread(ask)
        assert running.ready["domains"] == ["gym.example"]


async def test_process_serves_files_over_tls() -> None:
    async with started("--tls", "--drives", "all") as running:
        trusted = ssl.create_default_context(cafile=running.ready["ca_file"])
        url = running.ready["graph_url"]
        assert running.ready["content_url"].startswith("https://localhost:")
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as session:
            session.headers["Authorization"] = f"Bearer {await token(session, running.ready['base_url'])}"
            async with session.post(f"{url}/users", json=new_user("anna")) as answer:
                user = (await answer.json(content_type=None))["id"]
            place = f"{url}/users/{user}/drive/root:/a/b.txt"
            async with session.put(f"{place}:/content", data=b"over TLS") as answer:
                assert answer.status == 201
            async with session.get(place) as answer:
                download = (await answer.json(content_type=None))["@microsoft.graph.downloadUrl"]
        plain = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted))
        async with plain, plain.get(download) as answer:
            assert await answer.read() == b"over TLS"


async def test_taken_port_is_said_in_one_line() -> None:
    async with started() as running:
        port = running.ready["base_url"].rsplit(":", 1)[1]
        second = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "connectors.sandbox", "--port", port, stderr=asyncio.subprocess.PIPE
        )
        _, errors = await second.communicate()
        assert second.returncode == 1
        assert errors.decode().startswith("sandbox: cannot start:")
        assert "Traceback" not in errors.decode()


APP = Application("app", secrets=("s",))


async def test_all_state_is_the_same_after_a_restart(tmp_path: Path) -> None:
    """Users, links, bin, licences, education, changes that wait, secrets of delta tokens."""
    clock = MovableClock()
    options: dict[str, Any] = {"state": tmp_path / "t.db", "applications": [APP], "clock": clock}
    async with Sandbox(**options) as sandbox, connected(sandbox) as graph:
        checker = Checker().attach(sandbox)
        sku = {"skuId": "94763226-9b3c-4e75-a931-5c89701abe66", "skuPartNumber": "A3", "enabled": 5}
        sandbox.load({"skus": [sku]})
        users = [await graph.user(f"u{number}", usageLocation="DE") for number in range(4)]
        group = await graph.group("5a", **{"members@odata.bind": [graph.reference(user) for user in users]})
        lesson = (
            await graph.post("/education/classes", {"displayName": "5a", "mailNickname": "5a", "grade": "5"})
        ).body
        licence = {"addLicenses": [{"skuId": sku["skuId"], "disabledPlans": []}], "removeLicenses": []}
        assert (await graph.post(f"/users/{users[0]}/assignLicense", licence)).status == 200
        await graph.delete(f"/users/{users[1]}")
        await graph.delete(f"/groups/{group}/members/{users[2]}/$ref")
        _, link = await graph.round("/groups/delta")
        await graph.delete(f"/users/{users[3]}")
        await graph.delete(f"/directory/deletedItems/{users[3]}")
        sandbox.tenant.visibility_delay = 60
        late = (await graph.post("/groups", new_group("late"))).body["id"]
        before = sandbox.dump()
    async with Sandbox(**options) as sandbox, connected(sandbox) as graph:
        checker.attach(sandbox)
        assert sandbox.dump() == before
        assert (await graph.get(f"/groups/{late}")).status == 404
        found, link = await graph.round(link.replace(link.split("/v1.0")[0], sandbox.base_url))
        removed = {"@odata.type": "#microsoft.graph.user", "id": users[3], "@removed": {"reason": "deleted"}}
        assert [(one["id"], one["members@delta"]) for one in found] == [(group, [removed])]
        assert (await graph.get(f"/education/classes/{lesson['id']}")).body["grade"] == "5"
        check = {"id": users[0], "password": PASSWORD}
        assert (await graph.admin("POST", "check-password", check)).body["matches"] is True
        clock.advance(61)
        found, _ = await graph.round(link)
        assert [one["id"] for one in found] == [late]
        assert (await graph.post(f"/directory/deletedItems/{users[1]}/restore")).status == 200
        assert await graph.members(group) == {users[0], users[1]}
        assert (await graph.post("/users", new_user("u0"))).status == 400
    checker.verify()


async def test_commit_is_in_the_file_before_the_answer(tmp_path: Path) -> None:
    """A killed sandbox forgets nothing that it had answered."""
    path = tmp_path / "t.db"
    async with Sandbox(state=path, applications=[APP]) as sandbox, connected(sandbox) as graph:
        user = await graph.user("anna")
        with contextlib.closing(sqlite3.connect(path)) as other:
            assert other.execute("SELECT id FROM entries").fetchall() == [(user,)]


async def test_a_killed_process_forgets_nothing_it_answered(tmp_path: Path) -> None:
    """kill -9 in the middle of a fragment: what was acknowledged is there, what was not is asked for again."""
    options = ("--state", str(tmp_path / "t.db"), "--drives", "all")
    step, content = 327_680, bytes(range(256)) * 3840
    async with aiohttp.ClientSession() as session:
        async with started(*options, killed=True) as first:
            graph, other = first.ready["graph_url"], first.ready["content_url"]
            headers = {"Authorization": f"Bearer {await token(session, first.ready['base_url'])}"}
            async with session.post(f"{graph}/users", json=new_user("anna"), headers=headers) as answer:
                drive = f"/users/{(await answer.json(content_type=None))['id']}/drive"
            async with session.put(f"{graph}{drive}/root:/a.txt:/content", data=b"kept", headers=headers) as answer:
                assert answer.status == 201
            url = f"{graph}{drive}/root:/big:/createUploadSession"
            async with session.post(url, json={"item": {}}, headers=headers) as answer:
                upload = (await answer.json(content_type=None))["uploadUrl"]
            piece = {"Content-Range": f"bytes 0-{step - 1}/{len(content)}"}
            async with session.put(upload, data=content[:step], headers=piece) as answer:
                assert answer.status == 202
            _, writer = await asyncio.open_connection("127.0.0.1", int(other.rsplit(":", 1)[1]))
            rest = f"Content-Range: bytes {step}-{len(content) - 1}/{len(content)}\r\n"
            rest += f"Content-Length: {len(content) - step}\r\n"
            head = f"PUT {upload.removeprefix(other)} HTTP/1.1\r\nHost: x\r\n{rest}\r\n"
            writer.write(head.encode() + content[step : 2 * step])
            await writer.drain()
            first.process.kill()
            await first.process.wait()
            writer.close()
        async with started(*options) as second:
            graph = second.ready["graph_url"]
            upload = second.ready["content_url"] + upload.removeprefix(other)
            async with session.get(upload) as answer:
                expected = (await answer.json(content_type=None))["nextExpectedRanges"]
            assert expected == [f"{step}-{len(content) - 1}"]
            piece = {"Content-Range": f"bytes {step}-{len(content) - 1}/{len(content)}"}
            async with session.put(upload, data=content[step:], headers=piece) as answer:
                assert answer.status == 201
            for name, wanted in (("a.txt", b"kept"), ("big", content)):
                url = f"{graph}{drive}/root:/{name}:/content"
                async with session.get(url, headers=headers) as answer:
                    assert await answer.read() == wanted
