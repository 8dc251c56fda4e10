"""The demo's part about people both ways: the school is cut over, and the cloud's word counts until it is rolled back.

The school's end is looked at with the lab's own LDAP connection, and by really logging in as the pupil.
"""

from __future__ import annotations

import json
from typing import Any

from ldap3.core.exceptions import LDAPException

from bridge.lab.demo_cutover import Cutover
from bridge.lab.directories import SambaDirectory
from bridge.lab.seed import Person
from bridge.lab.stage import Stage
from bridge.lab.steps import TakeStep

_AT_FIRST, _FIRST, _SECOND = "Anfang-Anker-19", "Kranich-Segel-47", "Birke-Laterne-82"
_LOGIN = "mika.oesker"


class BothWays:
    """A pupil made in the cloud, passwords of both sides, drift, a school year; then the school owns people again."""

    def __init__(self, stage: Stage, directory: SambaDirectory, step: TakeStep, cutover: Cutover) -> None:
        self.stage, self.directory, self.step, self.cutover = stage, directory, step, cutover
        self.user = ""

    def run(self, teacher: Person) -> None:
        """All steps."""
        self.cutover.rehearse()
        self.cutover.switch()
        self._born()
        self._password()
        self._teacher(teacher)
        self._renamed()
        self._drift()
        self.cutover.roll_back()

    def _born(self) -> None:
        upn = f"{_LOGIN}@schule.example"
        self.user = self.stage.platform.make(
            given="Mika", surname="Ösker", upn=upn, department="6b", password=_AT_FIRST
        )
        self.stage.platform.join(self.stage.cloud.groups()["Klasse 6b"], self.user)
        expected = {"name": "Mika Ösker", "in the OU": "6b", "in the group klasse-6b": True, "enabled": True}
        self.step("a pupil made in the cloud gets an account at the school", expected, self._account)

    def _account(self) -> Any:
        server = self.directory.server
        dn = server.dn_of(_LOGIN)
        ((found), *_) = server.find("(objectClass=*)", ("displayName", "userAccountControl", "memberOf"), dn)
        groups = [value.decode().partition(",")[0] for value in found.attributes.get("memberOf", ())]
        return {
            "name": found.text("displayName"),
            "in the OU": dn.split(",")[1].removeprefix("OU="),
            "in the group klasse-6b": "CN=klasse-6b" in groups,
            "enabled": not int(found.text("userAccountControl") or 0) & 2,
        }

    def _set(self, login: str, password: str) -> Any:
        answer = self.stage.bridge("password", "demo", login, "--json", words=f"{password}\n")
        return answer.code or {
            "logs on at the school": self._logs_on(login, password),
            "signs in to the cloud": self._signs_in(login, password),
        }

    def _logs_on(self, login: str, password: str) -> bool:
        server = self.directory.server
        try:
            server.connect(server.dn_of(login), password).unbind()
        except LDAPException:
            return False
        return True

    def _signs_in(self, login: str, password: str) -> bool:
        upn = self._upn(login)
        there = next(one for one in self.stage.cloud.accounts() if one.upn.partition("@")[0] == upn)
        body = {"id": there.id, "password": password}
        return bool(self.stage.cloud.admin("POST", "check-password", body)["matches"])

    def _upn(self, login: str) -> str:
        """What stands before the @ of somebody's login in the cloud."""
        told = json.loads(self.stage.bridge("explain", "user", login, "--json").output)["found"]
        rows = {row["name"]: row for row in told[0]["fields"]}
        return str(rows["upn"]["cloud"]).partition("@")[0]

    def _password(self) -> None:
        expected = {"logs on at the school": True, "signs in to the cloud": True}
        self.step("her password is set once, and opens both sides", expected, lambda: self._set(_LOGIN, _FIRST))

    def _teacher(self, teacher: Person) -> None:
        expected = {"logs on at the school": True, "signs in to the cloud": True}
        self.step("a teacher's password is reset on both sides", expected, lambda: self._set(teacher.login, _SECOND))

    def _renamed(self) -> None:
        self.stage.platform.change(self.user, displayName="Mika Ösker-Lind", surname="Ösker-Lind")
        self.step("renamed in the cloud, renamed at the school", "Mika Ösker-Lind", lambda: self._account()["name"])

    def _drift(self) -> None:
        server = self.directory.server
        server.modify(server.dn_of(_LOGIN), displayName="Mika Irrtum")

        def drifted() -> Any:
            found = json.loads(self.stage.bridge("drift", "demo", "--json").output)["drifts"]
            told = [one["state"] for one in found if one["found"] == "Mika Irrtum"]
            return {"listed": told, "at the school": self._account()["name"]}

        expected = {"listed": ["reverted"], "at the school": "Mika Ösker-Lind"}
        self.step("what the school changes now is put right, and listed", expected, drifted)
