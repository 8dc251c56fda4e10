"""The school's entry for the record of processing activities (GDPR Art. 30), with its measures, in two languages.

Everything is read from the configuration in force and the stage; what a configuration can't know is left open in words.
``entry`` gives the parts with (German, English) texts, ``paper`` one of the two on pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from bridge.core.cutover import STAGES, Power, Stage
from bridge.core.kinds import KINDS, Where
from bridge.core.model import Side
from bridge.daemon.measures import measures
from bridge.letters.report import Part, report
from bridge.letters.speaker import LANGUAGES
from bridge.settings import School, Settings
from bridge.settings.words import in_words

#: German, English.
Text = tuple[str, str]

_OPEN: Text = ("[von der Schule auszufüllen]", "[to be filled in by the school]")
_TITLE: Text = (
    "Verzeichnis von Verarbeitungstätigkeiten (Art. 30 DSGVO): Abgleich von Konten und Dateien mit Microsoft 365",
    "Record of processing activities (Art. 30 GDPR): mirroring accounts and files with Microsoft 365",
)
_ROLES: Mapping[str, Text] = {
    "pupil": ("Schülerinnen und Schüler", "pupils"),
    "teacher": ("Lehrkräfte", "teachers"),
    "staff": ("weiteres Personal", "other staff"),
    "*": ("Personen mit anderer Rolle", "people of any other role"),
}
_PURPOSES: Mapping[str, Text] = {
    "source_anchor": ("Zuordnung desselben Menschen auf beiden Seiten", "recognising the same person on both sides"),
    "display_name": ("Anzeige in Klassen, Kursen und Nachrichten", "shown in classes, courses and messages"),
    "given_name": ("Anzeige und Sortierung", "display and sorting"),
    "surname": ("Anzeige und Sortierung", "display and sorting"),
    "enabled": ("Sperren von Konten", "disabling accounts"),
    "upn": ("Anmeldename", "login"),
    "usage_location": ("Vorgabe von Microsoft für Lizenzen", "required by Microsoft for licences"),
    "licenses": ("Zuweisung der Lizenzen", "assigning licences"),
    "description": ("Beschreibung der Gruppe", "description of the group"),
    "unified": ("Art der Gruppe", "kind of group"),
    "mail_nickname": ("Adresse der Gruppe", "address of the group"),
    "owners": ("Leitung der Gruppe", "who runs the group"),
    "members": ("Zugehörigkeit zu Klassen und Kursen", "membership of classes and courses"),
}
_MIRROR: Text = ("Abgleich, im YAML nicht begründet", "mirroring")


@dataclass(frozen=True, slots=True)
class Chapter:
    """One part of the entry: heading, lines and the rows of a table, each in both languages."""

    name: str
    heading: Text
    lines: Sequence[Text] = ()
    rows: Sequence[tuple[Text, ...]] = ()


def entry(settings: Settings, school: School, stage: Stage) -> list[Chapter]:
    """The whole entry, in the order of Art. 30 (1) and then Art. 32."""
    return [*_about(school, stage), _people(school), _fields(school), *_recipients(school), _periods(school),
            Chapter("measures", ("Technische und organisatorische Maßnahmen (Art. 32)", "Measures (Art. 32)"),
                    measures(settings, school, stage))]  # fmt: skip


def _about(school: School, stage: Stage) -> Iterator[Chapter]:
    yield Chapter(
        "controller",
        ("Verantwortlicher (Art. 30 Abs. 1 lit. a)", "Controller (Art. 30 (1) (a))"),
        (
            (f"{school.name}, Schulnummer {school.code}", f"{school.name}, school code {school.code}"),
            (f"Anschrift, Leitung: {_OPEN[0]}", f"Address, head: {_OPEN[1]}"),
            (f"Datenschutzbeauftragte Person: {_OPEN[0]}", f"Data protection officer: {_OPEN[1]}"),
        ),
    )
    row = STAGES[stage]
    writes = {
        Power.NOBODY: ("niemand", "nobody"),
        Power.BOTH: ("beide", "both sides"),
        Power.CLOUD: ("Cloud", "the cloud"),
    }
    files = [share.name for share in school.shares]
    yield Chapter(
        "purposes",
        ("Zwecke (lit. b)", "Purposes (b)"),
        (
            (
                "Bereitstellung von Konten, Klassen und Kursen in Microsoft 365 aus dem Verzeichnis der Schule",
                "providing accounts, classes and courses in Microsoft 365 from the school's directory",
            ),
            *(
                [(f"Abgleich der Freigaben {', '.join(files)}", f"mirroring the shares {', '.join(files)}")]
                if files
                else []
            ),
            (
                f"Stufe zur Zeit: {stage} (darf beschrieben werden: {writes[row.power][0]})",
                f"Stage at present: {stage} (may be written: {writes[row.power][1]})",
            ),
            (f"Rechtsgrundlage: {_OPEN[0]}", f"Legal ground: {_OPEN[1]}"),
        ),
    )


def _people(school: School) -> Chapter:
    options = _options(school, Side.SCHOOL)
    said = [str(one.get("role")) for one in options.get("roles", ()) if isinstance(one, Mapping)]
    roles = list(dict.fromkeys(said)) or [role for kind, role in school.periods if kind == "user"]
    lines = [_ROLES.get(role, (role, role)) for role in roles]
    consent = options.get("consent")
    lines.append(
        ("Konten nur mit Einwilligung: " + ", ".join(consent.get("roles", ())), "accounts only with consent: "
         + ", ".join(consent.get("roles", ())))
        if isinstance(consent, Mapping)
        else ("Einwilligung wird nach der Konfiguration nicht geprüft", "consent is not checked, by the configuration")
    )  # fmt: skip
    return Chapter("people", ("Kategorien betroffener Personen (lit. c)", "Categories of people (c)"), lines)


def _fields(school: School) -> Chapter:
    rows: list[tuple[Text, ...]] = [(("Art", "Kind"), ("Merkmal", "Attribute"), ("Zweck", "Purpose"))]
    for kind in (KINDS["user"], KINDS["group"]):
        leaving = [column.name for column in kind.fields if column.where is not Where.SCHOOL]
        rows += [((kind.name,) * 2, (name,) * 2, _PURPOSES.get(name, _MIRROR)) for name in leaving]
        for name, one in school.attributes.get(kind.name, {}).items():
            rows.append(((kind.name,) * 2, (name,) * 2, (one.purpose, one.purpose)))
    if school.shares:
        rows.append((("file",) * 2, ("Name, Ort, Inhalt, Zeit", "name, place, content, time"),
                     ("Abgleich der Freigaben", "mirroring the shares")))  # fmt: skip
    note = (
        "Nur diese Merkmale verlassen die Schule (Positivliste). Rolle, Einwilligung und Anmeldename der Schule nicht.",
        "Only these attributes leave the school (allow-list). Role, consent and the school's login do not.",
    )
    return Chapter("fields", ("Kategorien von Daten (lit. c)", "Categories of data (c)"), (note,), rows)


def _recipients(school: School) -> Iterator[Chapter]:
    options = _options(school, Side.CLOUD)
    tenant, cloud = options.get("tenant_id") or "–", options.get("cloud") or "–"
    host = urlsplit(str(options.get("endpoint") or "")).hostname or (
        "graph.microsoft.com" if cloud == "global" else "–"
    )
    connector = school.sides[Side.CLOUD].connector
    yield Chapter(
        "recipients",
        ("Empfänger (lit. d)", "Recipients (d)"),
        (
            (
                f"Cloud über den Konnektor {connector}: Mandant {tenant}, Dienst {host}, Domäne {school.naming.domain}",
                f"the cloud by the connector {connector}: tenant {tenant}, host {host}, domain {school.naming.domain}",
            ),
            (f"Vertrag zur Auftragsverarbeitung: {_OPEN[0]}", f"Processing agreement: {_OPEN[1]}"),
            ("Die Brücke selbst sendet sonst niemandem etwas.", "The bridge itself sends nothing to anybody else."),
        ),
    )
    yield Chapter(
        "transfers",
        ("Übermittlung in Drittländer (lit. e)", "Transfers to third countries (e)"),
        (
            (
                f"Angesprochen wird nur die Cloud „{cloud}“; wo Microsoft speichert, bestimmt der Mandant: {_OPEN[0]}",
                f'Only the cloud "{cloud}" is addressed; where Microsoft stores is up to the tenant: {_OPEN[1]}',
            ),
        ),
    )


def _periods(school: School) -> Chapter:
    rows: list[tuple[Text, ...]] = [
        (("Wer", "Who"), ("geduldet", "tolerated"), ("deaktiviert", "disabled"), ("im Papierkorb", "soft-deleted"))
    ]
    for (kind, role), steps in school.periods.items():
        whom = _ROLES.get(role, (role, role)) if kind == "user" else ("Gruppen", "groups")
        shown = [(in_words(one),) * 2 for one in steps]
        rows.append((whom, *([("–", "–")] if len(steps) == 2 else []), *shown))  # fmt: skip
    lines = (
        (
            "Jede Frist läuft ab dem vorigen Schritt, und jeder hat einen Beleg (leavers --receipts, DIN 66398).",
            "Each period begins with the step before, and each step has a receipt (leavers --receipts, DIN 66398).",
        ),
        (
            "Prüfung, Rechtsstreit oder Archiv halten Fristen an. Microsoft leert seinen Papierkorb nach 30 Tagen.",
            "An exam, a legal claim or an archive stops them. Microsoft empties its recycle bin after 30 days.",
        ),
        (
            "Der Zustand der Brücke hält fest, was abgeglichen wurde; person erase löscht eine Person daraus.",
            "The bridge's state keeps what was mirrored; person erase takes a person out of it.",
        ),
    )
    return Chapter("periods", ("Löschfristen (lit. f)", "Periods of erasure (f)"), lines, rows)


def _options(school: School, side: Side) -> Mapping[str, Any]:
    return school.sides[side].options.model_dump(mode="json", by_alias=True)


def tree(chapters: Sequence[Chapter], school: School, made: datetime) -> dict[str, Any]:
    """The entry as a plain tree, both languages."""

    def both(text: Text) -> dict[str, str]:
        return dict(zip(LANGUAGES, text, strict=True))

    return {
        "school": school.code,
        "made": made.isoformat(timespec="seconds"),
        "title": both(_TITLE),
        "chapters": {
            one.name: {
                "heading": both(one.heading),
                "lines": [both(line) for line in one.lines],
                "rows": [[both(cell) for cell in row] for row in one.rows],
            }
            for one in chapters
        },
    }


def paper(chapters: Sequence[Chapter], *, school: School, language: str, made: datetime) -> bytes:
    """The PDF in one language."""
    place = LANGUAGES.index(language)
    parts = [
        Part(
            one.heading[place],
            [line[place] for line in one.lines],
            [tuple(cell[place] for cell in row) for row in one.rows],
        )
        for one in chapters
    ]
    foot = (
        f"Aus der geltenden Konfiguration {school.file.name}",
        f"From the configuration in force, {school.file.name}",
    )
    shown = f"{foot[place]}, {made:%Y-%m-%d %H:%M} UTC"
    return report(_TITLE[place], parts, school=school.name, language=language, foot=shown)
