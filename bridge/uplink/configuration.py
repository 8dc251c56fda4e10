"""A school's file from the hub: checked here first, then applied, and in force only when the daemon runs it.

may      the site lets the hub configure, and the order has the scope: ``operate`` to check, ``approve`` to apply
check    the whole configuration with the new text, its secrets, a diff, a plan; nothing of it takes effect
apply    what was checked, over what was in force then: journal, file, reload; where it is not taken, the old one again

Between any two lines the file is the old one or the new one, whole. An order to apply that comes again after a crash
finds its own text in force and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

from bridge.core.cutover import Stage
from bridge.daemon import threads, wiring
from bridge.daemon.service import Service
from bridge.fleet.configure import Checked, Configure, digest_of
from bridge.fleet.messages import Order
from bridge.ports import BridgeError
from bridge.settings import School, Settings, SettingsError, digest, load
from bridge.state import journal, stages
from bridge.state.transaction import writing
from bridge.uplink.foreseen import effective, foreseen, lines
from bridge.uplink.versions import Versions

State = Literal["done", "refused"]
#: In which stages a school may be taken from a site: nothing of it is mirrored there.
_QUIET = {Stage.CLASSIC, Stage.RETIRED}


class Refused(Exception):
    """It is not done, and nothing is others; ``str`` says why and what to do."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """An order to configure, and what is in force. ``actor`` goes into the journal."""

    code: str
    wanted: Configure
    actor: str
    before: Settings
    versions: Versions

    @property
    def old(self) -> School | None:
        """The school as it is configured now."""
        return self.before.school(self.code)

    @property
    def base(self) -> str:
        """The digest of what is in force."""
        return "" if self.old is None else digest(self.old)


class Configuration:
    """Carries out orders to configure on a daemon, one after another. To be used on the daemon's loop."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._turn = asyncio.Lock()
        self._told: tuple[Settings, dict[str, dict[str, Any]]] = service.settings, {}

    async def configure(self, order: Order) -> tuple[State, str]:
        """What becomes of an order: the answer to a check is ``Checked`` as JSON, else it is a sentence.

        Raises nothing for what is asked wrongly; an order may come again, and is answered again.
        """
        async with self._turn:
            try:
                asked = self._asked(order)
                text = await (self._check(asked) if asked.wanted.step == "check" else self._apply(asked))
            except (Refused, BridgeError) as error:
                return "refused", str(error)
            except OSError as error:
                return "refused", f"{order.school}: {error.filename or 'a file'} can't be written ({error.strerror})"
            return "done", text

    def standing(self, code: str) -> dict[str, Any]:
        """What a site tells of a school's configuration: the body of a message of that kind. Raises OSError.

        Asked all the time: what can't change before another configuration is loaded is made once.
        """
        settings, problem = self._service.settings, self._service.board.configuration_error[:2000]
        if self._told[0] is not settings:
            self._told = settings, {}
        told = self._told[1]
        if code not in told:
            school, hub = settings.school(code), settings.bridge.hub
            source = hub.configuration if hub is not None else "site"
            number = Versions(settings.from_hub, code).number() if source == "hub" else 0
            told[code] = {"digest": digest(school) if school else "", "source": source, "version": number}
        return {**told[code], "problem": problem}

    # -- what may be asked

    def _asked(self, order: Order) -> _Asked:
        settings = self._service.settings
        uplink = settings.bridge.hub
        if uplink is None or uplink.configuration != "hub":
            raise Refused(
                f"{order.school}: the schools' files of this site are its own, in {settings.bridge.schools}/. Change "
                f"them there; or move them to {settings.from_hub} and write `configuration: hub` in its bridge.yaml"
            )
        try:
            wanted = Configure.model_validate(order.action)
        except ValidationError as error:
            raise Refused(f"{order.school}: not an order to configure ({error.error_count()} faults in it)") from None
        needed = "operate" if wanted.step == "check" else "approve"
        if needed not in order.scopes or needed not in uplink.allow:
            raise Refused(
                f"{order.school}: to {wanted.step} a configuration takes the scope `{needed}`, here and there"
            )
        if not order.school:
            raise Refused("an order to configure names no school")
        versions = Versions(settings.from_hub, order.school)
        return _Asked(order.school, wanted, f"hub:{order.actor}", settings, versions)

    def _judged(self, asked: _Asked, text: str) -> Settings:
        """The whole configuration as it would be. Raises Refused with all its faults."""
        try:
            fresh = load(asked.before.file, self._service.catalog, instead={asked.code: text})
        except SettingsError as error:
            raise Refused("\n".join(map(str, error.problems))) from None
        one = fresh.school(asked.code)
        if one is None:
            self._may_end(asked)
        elif missing := _secrets(fresh, one):
            raise Refused("\n".join(missing))
        return fresh

    def _may_end(self, asked: _Asked) -> None:
        if asked.wanted.typed != asked.code:
            raise Refused(f"{asked.code}: to take a school from its site, type its code again")
        with self._service.database.read() as connection:
            stage = stages.stage_of(connection, asked.code)
        if stage is not None and stage not in _QUIET:
            raise Refused(
                f"{asked.code}: the school is {stage}. Expected: {' or '.join(sorted(_QUIET))}, so that nothing of it "
                f"is mirrored any more. Bring it there first: schoolbridge stage {asked.code}"
            )

    # -- the two steps

    async def _check(self, asked: _Asked) -> str:
        return await threads.aside(lambda: self._checked(asked))

    def _checked(self, asked: _Asked) -> str:
        wanted = asked.wanted
        fresh = self._judged(asked, wanted.text)
        new = fresh.school(asked.code)
        plan = asyncio.run(foreseen(fresh, self._service.database, asked.old, new))
        answer = Checked(
            version=wanted.version,
            digest=digest_of(wanted.text),
            base=asked.base,
            after="" if new is None else digest(new),
            diff=lines(asked.versions.text(), wanted.text, name=f"{asked.code}.yaml"),
            effective=lines(effective(asked.old), effective(new), name="what holds"),
            plan=plan,
        )
        asked.versions.check(wanted, base=asked.base)
        return answer.model_dump_json()

    async def _apply(self, asked: _Asked) -> str:
        wanted, versions = asked.wanted, asked.versions
        checked = await threads.aside(versions.checked)
        if checked is None or (checked.version, checked.digest) != (wanted.version, wanted.digest):
            raise Refused(f"{asked.code}: version {wanted.version} was not checked here as it is now; check it again")
        done = f"{asked.code}: version {wanted.version} is in force"
        before = await threads.aside(versions.text)
        if before == checked.text and self._runs(asked, checked.text):
            return done
        if not checked.base == wanted.base == asked.base:
            raise Refused(f"{asked.code}: what is in force changed since version {wanted.version} was checked; again")
        await threads.aside(lambda: self._begin(asked, checked))
        await threads.aside(lambda: versions.put(checked.text))
        problem = await self._service.reload()
        if not problem and self._runs(asked, checked.text):
            await threads.aside(lambda: self._note(asked, "in force"))
            return done
        await threads.aside(lambda: versions.put(before))
        await threads.aside(lambda: versions.forget(wanted.version))
        await self._service.reload()
        why = problem or "the daemon did not take it"
        await threads.aside(lambda: self._note(asked, f"put back: {why}"))
        raise Refused(f"{asked.code}: version {wanted.version} was not taken, the old one is in force again: {why}")

    def _begin(self, asked: _Asked, checked: Configure) -> None:
        """Judge once more, remember the version, and journal what is done before it is."""
        new = self._judged(asked, checked.text).school(asked.code)
        if checked.text:
            asked.versions.keep(checked.version, checked.text)
        if new is not None:
            store = self._service.database.school(new.code, new.kinds())
            if wiring.first_met(store):  # a row of the journal would make it look as if it had been met already
                wiring.meet(store, new)
        self._note(asked, "asked")

    def _note(self, asked: _Asked, outcome: str) -> None:
        after = {"version": asked.wanted.version, "digest": asked.wanted.digest}
        entry = journal.Entry(
            "configure", actor=asked.actor, reason=asked.wanted.reason, after=after, outcome=outcome
        )  # fmt: skip
        with writing(self._service.database, asked.code) as tx:
            if stages.stage_of(tx.connection, asked.code) is not None:
                journal.append(tx, [entry])

    def _runs(self, asked: _Asked, text: str) -> bool:
        """Whether the daemon runs just this: the school with this file, or without one no such school."""
        running = self._service.settings.school(asked.code)
        if not text:
            return running is None and asked.code not in self._service.supervisors
        try:
            wanted = load(asked.before.file, self._service.catalog).school(asked.code)
        except SettingsError:
            return False
        return running is not None and running == wanted and asked.code in self._service.supervisors


def _secrets(settings: Settings, school: School) -> Sequence[str]:
    """Which secrets that the school names can't be read here; they are read and thrown away."""
    ends = [*school.sides.values(), *(one for share in school.shares for one in share.sides.values())]
    missing = []
    for reference in sorted({name for one in ends for name in wiring.references(one.options)}):
        try:
            wiring.secret(settings, reference)
        except BridgeError as error:
            missing.append(f"{school.code}: {error}")
    return missing
