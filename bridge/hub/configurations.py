"""A school's configuration from the hub: drafted and judged here, checked at its site, applied there as it was checked.

The hub judges a file by itself: it has the same models and connectors. What it can't know (the site's bridge.yaml, its
secrets, its state) the site's check tells, with a diff and a plan; only what was checked can be applied.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bridge.daemon.catalog import Catalog
from bridge.fleet.configure import LONGEST, Checked, Configure, digest_of
from bridge.hub import orders_out
from bridge.ports import ConfigurationError
from bridge.settings import SettingsError
from bridge.settings.load import judge
from bridge.state import hub_configurations as kept
from bridge.state import hub_orders
from bridge.state.database import Database
from bridge.state.hub_configurations import Wanted
from bridge.state.hub_sites import site_of_school

#: How long an order to check is good, and one to apply: nobody waits for it longer.
CHECK, APPLY = timedelta(hours=1), timedelta(minutes=15)


class Configurations:
    """Of one hub's database. ``actor``: who asks, for the journals of both ends."""

    def __init__(self, database: Database, key: Ed25519PrivateKey, *, actor: str) -> None:
        self._database, self._key, self._actor = database, key, actor

    def propose(self, school: str, text: str, *, file: str, reason: str, catalog: Catalog) -> Wanted:
        """Judge a file, keep it as a version, ask the site to check it. Raises SettingsError, ConfigurationError."""
        self._site(school)
        if len(text) > LONGEST:
            raise ConfigurationError(
                f"{file} is longer than {LONGEST >> 10} KiB; a school's file holds no lists of people"
            )
        if problems := judge(text, catalog, code=school, file=file):
            raise SettingsError(problems)
        return self._draft(school, text, reason=reason, typed="")

    def remove(self, school: str, *, typed: str, reason: str) -> Wanted:
        """Ask the site to check whether the school may be taken from it. Raises ConfigurationError."""
        if typed != school:
            raise ConfigurationError(
                f"{school}: nothing was asked. To take a school from its site, type its code: {school}"
            )
        return self._draft(school, "", reason=reason, typed=typed)

    def back(self, school: str, number: int, *, reason: str) -> Wanted:
        """An old version as a new one, to be checked like any other. Raises ConfigurationError."""
        return self._draft(school, self.version(school, number).text, reason=reason, typed="")

    def check(self, school: str, number: int) -> Wanted:
        """Ask the site anew to check a version that is not in force. Raises ConfigurationError."""
        one = self.version(school, number)
        if one.state in (kept.ASKED, kept.IN_FORCE):
            raise ConfigurationError(f"{school}: version {number} is {one.state}; there is nothing to check")
        return self._ask(one, "check", state=kept.DRAFT, typed="" if one.text else school)

    def apply(self, school: str, number: int, *, reason: str) -> Wanted:
        """Ask the site to apply what it checked. Raises ConfigurationError where it did not, or not this."""
        one = self.version(school, number)
        lost = one.state == kept.ASKED and hub_orders.command(self._database, one.command) is None
        if one.state != kept.CHECKED and not lost:
            raise ConfigurationError(
                f"{school}: version {number} is {one.state}, only one that its site has checked can be applied"
                f"{': ' + one.answer if one.answer else ''}. See: schoolbridge hub configure {school} --show"
            )
        checked = Checked.model_validate_json(one.checked)
        more = {"digest": one.digest, "base": checked.base}
        return self._ask(one, "apply", state=kept.ASKED, typed="" if one.text else school, reason=reason, more=more)

    def version(self, school: str, number: int) -> Wanted:
        """One version as it stands. Raises ConfigurationError where it is not kept."""
        known = kept.versions(self._database, school)
        for one in known:
            if one.version == number:
                return one
        numbers = ", ".join(str(one.version) for one in known) or "none"
        raise ConfigurationError(f"{school}: there is no version {number}; kept here: {numbers}")

    def versions(self, school: str) -> Sequence[Wanted]:
        """All that are kept, the newest first."""
        return kept.versions(self._database, school)

    def _site(self, school: str) -> str:
        site = site_of_school(self._database, school)
        if site is None:
            raise ConfigurationError(
                f'no site looks after a school "{school}". Give it to one first: schoolbridge hub assign {school} SITE'
            )
        return site

    def _draft(self, school: str, text: str, *, reason: str, typed: str) -> Wanted:
        self._site(school)
        made = kept.draft(self._database, school, text, digest=digest_of(text), actor=self._actor, reason=reason)
        return self._ask(made, "check", state=kept.DRAFT, typed=typed)

    def _ask(
        self, one: Wanted, step: str, *, state: str, typed: str, reason: str = "", more: dict[str, str] | None = None
    ) -> Wanted:
        """First the version knows by which command, then there is the command: a crash in between asks nothing."""
        site, name = self._site(one.school), secrets.token_urlsafe(18)
        why = reason or one.reason
        if not kept.asked(self._database, one, name, state=state):
            raise ConfigurationError(f"{one.school}: somebody else asked about version {one.version} at the same time")
        action: dict[str, Any] = {"step": step, "version": one.version, "reason": why, "typed": typed}
        action |= {"text": one.text} if step == "check" else more or {}
        wanted = Configure(action="configure", **action)
        orders_out.ask(
            self._database, self._key, site=site, school=one.school, action=wanted.model_dump(exclude_defaults=True),
            actor=self._actor, scopes=["operate", "approve"], reason=why, id=name,
            expires=self._database.clock() + (CHECK if step == "check" else APPLY),
        )  # fmt: skip
        return self.version(one.school, one.version)
