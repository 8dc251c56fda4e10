"""A synthetic school in LDAP's words, laid out as German schools lay out their Active Directory.

    OU=<School>
      OU=Schueler   OU=5a .. OU=10d, OU=EF, OU=Q1, OU=Q2      pupils; cn "Given Surname"
      OU=Lehrer, OU=Personal                                  adults; cn "Surname, Given": a comma to be escaped
      OU=Abgaenger                                            leavers, disabled, in no group
      OU=Gruppen                                              global security groups
      OU=Rechner, OU=Dienste                                  what must never be mirrored, with an admin in OU=Personal

employeeNumber holds the reference, department the class, employeeType "Einwilligung" where consent was given.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridge.lab.seed import Group, Person, School, plain

Entry = dict[str, str | list[str]]  # "dn" and the attributes; one value or several

ENABLED, DISABLED = "512", "514"  # userAccountControl, MS-ADTS 2.2.16: NORMAL_ACCOUNT, with ACCOUNTDISABLE
CONSENT = "Einwilligung"
NEVER_MIRRORED = ("adm-schule", "adm-gruppe", "PC-R101$", "svc-kopierer")  # their sAMAccountNames
_GLOBAL_SECURITY = "-2147483646"  # groupType, MS-ADTS 2.2.12
_CN_LENGTH = 64  # rangeUpper of Common-Name
_OUS = ("Schueler", "Lehrer", "Personal", "Abgaenger", "Gruppen", "Rechner", "Dienste")


def escape(value: str) -> str:
    """`value` for use in a distinguished name (RFC 4514, 2.4)."""
    escaped = "".join(f"\\{letter}" if letter in '\\,+"<>;=' else letter for letter in value)
    if escaped[:1] in ("#", " "):
        escaped = f"\\{escaped}"
    return f"{escaped[:-1]}\\ " if escaped.endswith(" ") and not escaped.endswith("\\ ") else escaped


class Layout:
    """The distinguished names of a school below `base`, and its entries."""

    def __init__(self, school: School, base: str) -> None:
        self.school = school
        self.base = base
        self.domain = ".".join(part.removeprefix("DC=") for part in base.split(","))
        self.root = f"OU={escape(school.name)},{base}"
        self.groups_ou = f"OU=Gruppen,{self.root}"
        self._names: dict[str, str] = {}  # cn + OU (folded) → reference, so that no two collide in one OU
        self._dns: dict[str, str] = {}  # reference → dn

    def unit_ou(self, person: Person) -> str:
        """The OU in which this person's account stands."""
        if person.standing == "leaver":
            return f"OU=Abgaenger,{self.root}"
        if person.role == "pupil":
            return f"OU={person.unit},OU=Schueler,{self.root}"
        return f"OU={'Lehrer' if person.role == 'teacher' else 'Personal'},{self.root}"

    def person_dn(self, person: Person) -> str:
        """The account's name; the login is added when somebody of that name stands in the same OU already."""
        if person.reference not in self._dns:
            ou = self.unit_ou(person)
            cn = person.display if person.role == "pupil" else f"{person.surname}, {person.given}"
            cn = cn[:_CN_LENGTH].strip()
            # Directories compare names without case and, on Windows, without accents: what is plain alike collides.
            if self._names.setdefault(f"{plain(cn)} {ou}", person.reference) != person.reference:
                cn = f"{cn[: _CN_LENGTH - 23]} ({person.login})"
            self._dns[person.reference] = f"CN={escape(cn)},{ou}"
        return self._dns[person.reference]

    def group_dn(self, name: str) -> str:
        """The name of the group called `name`."""
        return f"CN={escape(name)},{self.groups_ou}"

    def person(self, person: Person) -> Entry:
        """The account of one person, newcomers too, ready to be added."""
        entry: Entry = {
            "dn": self.person_dn(person),
            "objectClass": "user",
            "sAMAccountName": person.login,
            "userPrincipalName": f"{person.login}@{self.domain}",
            "givenName": person.given[:64],
            "sn": person.surname[:64],
            "displayName": person.display,
            "employeeNumber": person.reference,
            "description": {"pupil": "Schüler/in", "teacher": "Lehrkraft", "staff": "Personal"}[person.role],
            "userAccountControl": DISABLED if person.standing == "leaver" else ENABLED,
        }
        if person.unit:
            entry["department"] = person.unit
        if person.role != "pupil":
            entry["mail"] = f"{person.login}@{self.domain}"
        if person.consent:
            entry["employeeType"] = CONSENT
        return entry

    def group(self, group: Group) -> Entry:
        """One group with its members; the people must have been laid out before."""
        entry: Entry = {
            "dn": self.group_dn(group.name),
            "objectClass": "group",
            "sAMAccountName": group.name,
            "displayName": group.description,
            "description": group.description,
            "groupType": _GLOBAL_SECURITY,
        }
        members = [self._dns[reference] for reference in group.members]
        members += [self.group_dn(name) for name in group.subgroups]
        if members:
            entry["member"] = members
        return entry

    def entries(self) -> Iterator[Entry]:
        """Everything, in an order in which it can be added; one at a time."""
        yield _ou(self.root)
        for name in _OUS:
            yield _ou(f"OU={name},{self.root}")
        for unit in self.school.units:
            yield _ou(f"OU={unit},OU=Schueler,{self.root}")
        for person in self.school.people:
            yield self.person(person)
        for group in self.school.groups():
            yield self.group(group)
        yield from self._never_mirrored()

    def _never_mirrored(self) -> Iterator[Entry]:
        admin = f"CN=Schuladministration,OU=Personal,{self.root}"
        yield {
            "dn": admin, "objectClass": "user", "sAMAccountName": "adm-schule", "displayName": "Schuladministration",
            "userPrincipalName": f"adm-schule@{self.domain}", "employeeNumber": "R0000001", "employeeType": CONSENT,
            "adminCount": "1", "userAccountControl": ENABLED,
        }  # fmt: skip
        yield {
            "dn": self.group_dn("adm-gruppe"), "objectClass": "group", "sAMAccountName": "adm-gruppe",
            "groupType": _GLOBAL_SECURITY, "adminCount": "1", "member": [admin],
        }  # fmt: skip
        yield {
            "dn": f"CN=PC-R101,OU=Rechner,{self.root}", "objectClass": "computer", "sAMAccountName": "PC-R101$",
            "userAccountControl": "4096",
        }  # fmt: skip
        yield {
            "dn": f"CN=svc-kopierer,OU=Dienste,{self.root}", "objectClass": "user", "sAMAccountName": "svc-kopierer",
            "userPrincipalName": f"svc-kopierer@{self.domain}", "description": "Dienstkonto der Kopierer",
            "userAccountControl": "66048",
        }  # fmt: skip


def school_entries(school: School, base: str) -> Iterator[Entry]:
    """All entries of `school` below `base`, ready to fill a directory with."""
    return Layout(school, base).entries()


def _ou(dn: str) -> Entry:
    return {"dn": dn, "objectClass": "organizationalUnit"}
