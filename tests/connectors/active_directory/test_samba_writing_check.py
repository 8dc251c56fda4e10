"""What `check --online` tells of the rights to write, on a real Samba; and that it changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.core.model import Action
from bridge.lab.directories import SambaDirectory
from bridge.lab.school_server import SchoolServer
from bridge.lab.seed import draw_school
from bridge.ports import ConfigurationError, Finding, Write, Written
from connectors.active_directory import Options
from connectors.active_directory.connector import ActiveDirectory
from tests.connectors.active_directory.conftest import SMALL, context
from tests.connectors.active_directory.writing import WrittenSchool, delegate, limbo_of, writing_options

pytestmark = pytest.mark.samba


async def told(school: WrittenSchool) -> dict[str, Finding]:
    return {one.subject: one for one in await school.connector.check() if one.subject.startswith("write ")}


async def test_what_is_delegated_is_found(made: Callable[..., Any]) -> None:
    school = await made()
    findings = await told(school)
    assert [one.found for one in findings.values() if not one.ok] == []
    assert len(findings) == 6  # limbo, two OUs of people (one is the classes' too), one of groups, both kinds


async def test_what_is_missing_is_told_with_the_command(made: Callable[..., Any], samba_dc: Any) -> None:
    server: SchoolServer = samba_dc(school=draw_school(1, SMALL))
    server.add({"dn": limbo_of(server), "objectClass": "organizationalUnit"})
    school = await made(server)
    findings = await told(school)
    assert {one.ok for one in findings.values()} == {False}
    assert "CCDC;user" in findings[f"write OU=Lehrer,{school_ou(server)}"].remedy
    assert "let_write.py svc-schoolbridge" in findings["write user"].remedy
    assert "userAccountControl" in findings["write user"].found
    assert "member" in findings["write group"].found
    delegate(server)
    assert {one.ok for one in (await told(school)).values()} == {True}


async def test_an_attribute_that_was_not_delegated_is_named(made: Callable[..., Any]) -> None:
    school = await made(writeback={"attributes": {"surname": "personalTitle"}})
    found = (await told(school))["write user"]
    assert found.ok is False
    assert "personalTitle" in found.found
    assert "displayName" not in found.found


async def test_an_attribute_of_the_schools_own_list_is_asked_for_too(made: Callable[..., Any]) -> None:
    server = (await made()).server
    more = context(server, attributes={"user": {"room": "attr.roomNumber"}})
    connector = ActiveDirectory(writing_options(server), more)
    (found,) = [one for one in await connector.check() if one.subject == "write user"]
    assert found.ok is False
    assert "roomNumber" in found.found
    await connector.close()


async def test_a_limbo_that_is_not_there_is_told(samba_dc: Any) -> None:
    server: SchoolServer = samba_dc(school=draw_school(1, SMALL))
    connector = ActiveDirectory(writing_options(server), context(server))
    findings = await connector.check()
    assert any(one.ok is False and "OU=Ausgeschieden" in one.found for one in findings)
    with pytest.raises(ConfigurationError, match="Ausgeschieden"):
        _ = [page async for page in connector.observe(None)]
    await connector.close()


async def test_the_demos_directory_can_be_written_once_delegated(made: Callable[..., Any], tmp_path: Path) -> None:
    server = (await made()).server
    directory = SambaDirectory(server, tmp_path / "password")
    assert "writeback" not in directory.options(server.school)
    directory.let_write()
    said = {name: value for name, value in directory.options(server.school).items() if name != "connector"}
    connector = ActiveDirectory(Options(**said), context(server))
    fields = {"display_name": "Mina Neu", "login": "mina.neu", "enabled": True, "upn": "mina@cloud.example"}
    (outcome,) = [one async for one in connector.apply([Write("w", "user", Action.CREATE, None, fields, key="R9")])]
    assert isinstance(outcome, Written), outcome
    assert not outcome.refused
    await connector.close()


def school_ou(server: SchoolServer) -> str:
    return server.layout.root.removesuffix(f",{server.base}")
