"""GUIDs, names and filters, down to the bytes that ldap3 would send."""

from __future__ import annotations

import random
from typing import Any
from uuid import UUID

import ldap3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap3.utils.conv import escape_bytes

from connectors.active_directory.session import CAREFUL
from connectors.active_directory.wire import (
    equals_filter,
    extended_name,
    guid_base,
    guid_filter,
    guid_text,
    name_parts,
    ou_names,
    sid_text,
)

RANDOM = random.Random(20_000)
GUIDS = [UUID(int=RANDOM.getrandbits(128)) for _ in range(20_000)]
SPECIAL = st.text(alphabet='*()\\\0,+"<>;=#aä&|!~', max_size=30)


class Sent(Exception):
    """Carries the request that would have gone over the wire."""


def encoded(connection: ldap3.Connection, base: str, condition: str) -> Any:
    """The search request as ldap3 encodes it."""

    def send(kind: str, request: Any, controls: Any = None) -> int:
        raise Sent(request)

    connection.send = send
    connection.strategy.send = send
    with pytest.raises(Sent) as sent:
        connection.search(base, condition, ldap3.SUBTREE, attributes=["objectGUID"])
    return sent.value.args[0]


def careful() -> ldap3.Connection:
    return ldap3.Connection(ldap3.Server("dc", get_info=ldap3.NONE), **CAREFUL)


def test_no_guid_filter_of_20_000_is_corrupted() -> None:
    connection = careful()
    # many a request, as the connector asks for them, so that the test takes seconds
    for start in range(0, len(GUIDS), 100):
        some = GUIDS[start : start + 100]
        request = encoded(connection, "DC=x", guid_filter(*map(str, some)))
        found = [bytes(part["equalityMatch"]["assertionValue"]) for part in request["filter"]["or"]]
        assert found == [guid.bytes_le for guid in some]


def test_the_usual_way_does_corrupt_guids() -> None:
    """What the test above guards against: ldap3's default with a schema loaded, on the same GUIDs."""
    connection = ldap3.Connection(
        ldap3.Server("dc", get_info=ldap3.OFFLINE_AD_2012_R2), client_strategy=ldap3.SAFE_SYNC
    )
    suspects = [guid for guid in GUIDS if b"\\" in guid.bytes_le]
    corrupted = 0
    for guid in suspects:
        try:
            request = encoded(connection, "DC=x", f"(objectGUID={escape_bytes(guid.bytes_le)})")
            corrupted += bytes(request["filter"]["equalityMatch"]["assertionValue"]) != guid.bytes_le
        except ValueError:
            corrupted += 1
    assert corrupted > 0


@pytest.mark.parametrize("guid", ["5c41425c-3132-5c61-6263-5c2a5c285c29", "2a28295c-0000-0000-0000-00000000002a"])
def test_guids_made_of_special_characters(guid: str) -> None:
    request = encoded(careful(), guid_base(guid), guid_filter(guid))
    assert bytes(request["filter"]["equalityMatch"]["assertionValue"]) == UUID(guid).bytes_le
    assert str(request["baseObject"]) == f"<GUID={guid}>"
    assert guid_text(UUID(guid).bytes_le) == guid


def test_a_guid_that_is_none_never_reaches_a_filter() -> None:
    for make in (guid_filter, guid_base):
        with pytest.raises(ValueError, match="badly formed"):
            make("*)(objectClass=*")


@given(value=SPECIAL)
def test_nothing_in_a_value_changes_a_filter(value: str) -> None:
    request = encoded(careful(), "DC=x", f"(&(objectClass=group){equals_filter('member', value)})")
    one, two = request["filter"]["and"]
    assert bytes(one["equalityMatch"]["assertionValue"]) == b"group"
    assert str(two["equalityMatch"]["attributeDesc"]) == "member"
    assert bytes(two["equalityMatch"]["assertionValue"]) == value.encode()


@given(value=SPECIAL.filter(lambda text: text.strip("\0") and "\0" not in text))
def test_no_name_pretends_to_stand_somewhere_else(value: str) -> None:
    escaped = "".join(f"\\{letter}" if letter in '\\,+"<>;=# ' else letter for letter in value)
    dn = f"CN={escaped},OU=Schule,DC=schule,DC=lab"
    assert name_parts(dn)[:3] == ("dc=lab", "dc=schule", "ou=schule")
    assert len(name_parts(dn)) == 4
    assert ou_names(dn) == ("Schule",)


def test_escaped_comma_separates_nothing() -> None:
    outside = r"CN=Lehrer\,OU=Schule,DC=lab"
    assert name_parts(outside) == ("dc=lab", r"cn=lehrer\,ou=schule")


def test_ou_names_are_unescaped() -> None:
    assert ou_names(r"CN=A,OU=5a,OU=Haus \"B\"\, links,OU=Gr\C3\B6\C3\9Fe,DC=lab") == ("Größe", 'Haus "B", links', "5a")


def test_extended_names() -> None:
    name = "<GUID=5C41425C-3132-5c61-6263-5c2a5c285c29>;<SID=S-1-5-21-1-2-3-1000>;CN=A,DC=lab"
    assert extended_name(name) == ("5c41425c-3132-5c61-6263-5c2a5c285c29", "S-1-5-21-1-2-3-1000", "CN=A,DC=lab")
    assert extended_name("CN=A,DC=lab") == ("", "", "CN=A,DC=lab")


def test_sids() -> None:
    assert sid_text(bytes.fromhex("01020000000000052000000020020000")) == "S-1-5-32-544"
