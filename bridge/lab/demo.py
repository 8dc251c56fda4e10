"""The demo: a seeded school on a real domain controller, a cloud, the production daemon, and proof of each step.

At every step something is done to the school, then the cloud is read with a client of its own until it shows what was
expected or the time is up. The daemon is the production daemon; only its configuration differs.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rich.console import Console

from bridge.lab.cloud_reader import CloudReader
from bridge.lab.demo_both_ways import BothWays
from bridge.lab.demo_cutover import Cutover
from bridge.lab.demo_shares import Homes
from bridge.lab.demo_year import SchoolYear
from bridge.lab.directories import Directory, SambaDirectory
from bridge.lab.seed import Person
from bridge.lab.stage import Stage
from bridge.lab.steps import Told


class Demo:
    """Runs the steps in order; a step that fails doesn't keep the next ones from being tried."""

    def __init__(self, stage: Stage, console: Console) -> None:
        self.stage = stage
        self.console = console
        self.told = Told(console, stage.last_words)
        self.step = self.told.step
        self.cloud: CloudReader = stage.cloud
        self.directory: Directory = stage.directory
        self.people = [person for person in stage.school.people if person.standing == "present"]

    # -- the story

    def run(self) -> bool:
        """All steps; whether everything was found true."""
        wanted = [person for person in self.people if person.consent]
        homes, teachers = Homes(self.stage, self.step), [person for person in wanted if person.role == "teacher"]
        homes.prepare(teachers)
        self._before(wanted)
        self._first_mirror(wanted)
        if not self.told.ok:
            return False  # without a mirror the rest of the story would only wait in vain
        self._rename(wanted)
        self._promote(wanted)
        self._teacher()
        self._leaver(wanted)
        homes.run(teachers)
        self._storm(wanted)
        cutover = None
        if isinstance(self.directory, SambaDirectory):
            cutover = Cutover(self.stage, self.step, login=teachers[0].login)
            BothWays(self.stage, self.directory, self.step, cutover).run(teachers[1])
            SchoolYear(self.stage, self.directory, self.step).run()
        else:
            self.console.print("[dim]People both ways and the school year need a real directory: left out[/dim]")
        self._mass_deletion(wanted)
        if cutover is not None:
            cutover.finalise()
        self._rest()
        return self.told.ok

    def _before(self, wanted: list[Person]) -> None:
        self.step("check: configuration, servers, rights", 0, lambda: self.stage.bridge("check", "--online").code)
        groups = sum(1 for group in self.stage.school.groups() if group.kind != "everyone" or group.members)

        def planned() -> Any:
            answer = self.stage.bridge("plan", "--json")
            counts = json.loads(answer.output)["planned"] if answer.code == 2 else {}
            return {"exit code": answer.code, "users": counts.get("user:create"), "accounts made": len(self._mine())}

        self.step("plan: what would happen", {"exit code": 2, "users": len(wanted), "accounts made": 0}, planned)
        self.console.print(f"  [dim]{groups} groups are planned as well[/dim]")

    def _mine(self) -> dict[str, Any]:
        return {account.reference: account for account in self.cloud.accounts() if account.reference}

    def _first_mirror(self, wanted: list[Person]) -> None:
        self.stage.start_daemon()
        expected = {"accounts": len(wanted), "made twice": 0, "never to be mirrored": 0}
        never = {"R0000001"} | {person.reference for person in self.people if not person.consent}

        def mirrored() -> Any:
            accounts = [account for account in self.cloud.accounts() if account.reference]
            references = {account.reference for account in accounts}
            return {
                "accounts": len(references),
                "made twice": len(accounts) - len(references),
                "never to be mirrored": len(references & never),
            }

        self.step("first mirror: people", expected, mirrored, timeout=90)
        by_reference = {person.reference for person in wanted}
        classes = {
            group.description: len(set(group.members) & by_reference)
            for group in self.stage.school.groups()
            if group.kind == "class"
        }

        def memberships() -> Any:
            groups, accounts = self.cloud.groups(), {one.id for one in self._mine().values()}
            found = {name: len(self.cloud.members(groups[name]) & accounts) for name in classes if name in groups}
            wrong = {name: found.get(name) for name in classes if found.get(name) != classes[name]}
            return wrong or "all classes with all their pupils"

        self.step("first mirror: classes", "all classes with all their pupils", memberships, timeout=60)

    def _rename(self, wanted: list[Person]) -> None:
        pupil = next(person for person in wanted if person.role == "pupil")
        before = self.cloud.account(pupil.reference)
        renamed = replace(pupil, surname="Özdemir-Weiß")
        self.directory.rename(pupil, renamed)

        def shown() -> Any:
            after = self.cloud.account(pupil.reference)
            return after and before and [after.display_name, after.id == before.id, after.upn == before.upn]

        self.step("a pupil is renamed: same account, same login", [renamed.display, True, True], shown)

    def _promote(self, wanted: list[Person]) -> None:
        group = next(one for one in self.stage.school.groups() if one.name == "klasse-5a")
        pupils = [person for person in wanted if person.reference in group.members]
        known = self.cloud.groups().get(group.description)
        self.directory.promote("5a", "6x", [person for person in self.people if person.reference in group.members])

        def promoted() -> Any:
            groups = self.cloud.groups()
            accounts = self._mine()
            return {
                "same group": groups.get("Klasse 6x") == known,
                "pupils in 6x": sum(accounts[one.reference].department == "6x" for one in pupils),
                "members": len(self.cloud.members(known or "")),
            }

        expected = {"same group": True, "pupils in 6x": len(pupils), "members": len(pupils)}
        self.step("a class is promoted: 5a becomes 6x, same group", expected, promoted)

    def _teacher(self) -> None:
        teacher = Person("R9999001", "teacher", "Łucja", "Nguyễn-Groß", "lucja.nguyen", "")
        self.directory.enrol(teacher, ["alle-lehrer"])

        def added() -> Any:
            account = self.cloud.account(teacher.reference)
            group = self.cloud.groups().get("Alle Lehrkräfte", "")
            return account and [account.display_name, account.enabled, account.id in self.cloud.members(group)]

        self.step("a teacher is added, and is in the teachers' group", [teacher.display, True, True], added)

    def _leaver(self, wanted: list[Person]) -> None:
        leaver = [person for person in wanted if person.role == "pupil"][-1]
        self.directory.disable(leaver)

        def disabled() -> Any:
            account = self.cloud.account(leaver.reference)
            return account and {"enabled": account.enabled}

        self.step("a leaver is disabled, not deleted", {"enabled": False}, disabled)

    def _storm(self, wanted: list[Person]) -> None:
        pupils = [person for person in wanted if person.role == "pupil"][40:60]
        with self._faults():
            for number, pupil in enumerate(pupils):
                self.directory.rename(pupil, replace(pupil, given=f"{pupil.given} Sturm{number}"))

            def survived() -> Any:
                accounts = [account for account in self.cloud.accounts() if account.reference]
                names = {account.reference: account.display_name for account in accounts}
                right = sum("Sturm" in names.get(pupil.reference, "") for pupil in pupils)
                return {"changes arrived": right, "made twice": len(accounts) - len(names)}

            expected = {"changes arrived": len(pupils), "made twice": 0}
            self.step("a storm of faults (429, 503, broken connections) is survived", expected, survived, timeout=60)

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        for fault in self.stage.storm():
            self.cloud.admin("POST", "faults", fault)
        try:
            yield
        finally:
            self.cloud.admin("DELETE", "faults")

    def _mass_deletion(self, wanted: list[Person]) -> None:
        victims = [person for person in wanted if person.unit in {"7a", "7b", "7c"}]
        enabled = sum(account.enabled for account in self._mine().values())
        self.directory.delete(victims)

        def held() -> Any:
            status = json.loads(self.stage.bridge("status", "--json").output)
            count = sum(school.get("held", 0) for school in status["schools"])
            still = sum(account.enabled for account in self._mine().values())
            return {"held": "yes" if count >= len(victims) else f"{count}", "accounts lost": enabled - still}

        expected = {"held": "yes", "accounts lost": 0}
        self.step(
            f"{len(victims)} accounts vanish from the school: refused, nothing is lost", expected, held, timeout=30
        )

    def _rest(self) -> None:
        self.step("the journal is whole", 0, lambda: self.stage.bridge("journal", "verify").code)
        time.sleep(2)
        self.stage.forget()
        time.sleep(5)
        self.step("at rest nothing is written, neither people nor files", {}, self.stage.written, timeout=0)

    # -- the end

    def summary(self, directory: str) -> dict[str, Any]:
        """Print the table and give the report."""
        self.told.table(f"schoolbridge demo · {directory}")
        return {"directory": directory, "steps": self.told.tree()}
