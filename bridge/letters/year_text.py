"""The words of the preview of a school year, German and English: for a head teacher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.core.year import GroupTurn, PersonTurn, Why


@dataclass(frozen=True, slots=True)
class YearWords:
    """``{}`` are filled in. ``people``, ``groups`` and ``why`` are what the plan's words mean."""

    title: str
    page: str
    printed: str
    confidential: str
    date: str
    numbers: str
    classes: str
    courses: str
    people: str
    decide: str
    nothing: str
    decided: str
    last: str
    now: str
    what: str
    reason: str
    name: str
    number: str
    turns: Mapping[PersonTurn, str]
    groups: Mapping[GroupTurn, str]
    why: Mapping[Why, str]


YEAR_WORDS: Mapping[str, YearWords] = {
    "de": YearWords(
        title="Schuljahreswechsel: Vorschau",
        page="Seite {} von {}",
        printed="Gedruckt am {}",
        confidential="Vertraulich: enthält Namen von Schülerinnen und Schülern.",
        date="%d.%m.%Y",
        numbers="In Zahlen",
        classes="Klassen",
        courses="Kurse",
        people="Personen, bei denen etwas Besonderes geschieht",
        decide="Das muss ein Mensch entscheiden",
        nothing="Nichts: alles ist eindeutig.",
        decided="Alle anderen gehen mit ihrer Klasse weiter.",
        last="bisher",
        now="künftig",
        what="was geschieht",
        reason="woran man es erkennt",
        name="Name",
        number="Anzahl",
        turns={
            PersonTurn.PROMOTED: "versetzt",
            PersonTurn.REPEATS: "wiederholt",
            PersonTurn.SKIPS: "überspringt",
            PersonTurn.MOVED: "wechselt die Klasse",
            PersonTurn.STAYS: "bleibt",
            PersonTurn.LEAVES: "verlässt die Schule",
            PersonTurn.NEW: "neu",
            PersonTurn.RETURNS: "kommt zurück",
            PersonTurn.TWO_SCHOOLS: "an zwei Schulen",
            PersonTurn.MANUAL: "von Hand angelegt, bleibt unberührt",
            PersonTurn.OPEN: "unklar",
        },
        groups={
            GroupTurn.SAME: "geht weiter",
            GroupTurn.MERGED: "geht weiter, nimmt andere auf",
            GroupTurn.SPLIT: "geht weiter, wird geteilt",
            GroupTurn.NEW: "neu",
            GroupTurn.DISSOLVED: "endet, wird mit den Dateien archiviert",
            GroupTurn.ARCHIVED: "wird mit den Dateien archiviert",
            GroupTurn.OPEN: "unklar",
        },
        why={
            Why.MEMBERS: "{overlap} von {of} Mitgliedern sind dieselben",
            Why.ANCHOR: "dieselbe Gruppe im Verzeichnis",
            Why.CHOSEN: "so entschieden",
            Why.MERGED_INTO: "die meisten sind jetzt in {parts}",
            Why.SPLIT_OFF: "war Teil von {parts}",
            Why.MADE_OF: "kommt aus {parts}",
            Why.ALL_LEFT: "alle haben die Schule verlassen",
            Why.ALL_NEW: "lauter neue Mitglieder",
            Why.SCATTERED: "ihre Mitglieder sind auf viele Klassen verteilt",
            Why.OTHER_MEMBERS: "dieselbe Gruppe, aber andere Mitglieder ({overlap} von {of} gemeinsam)",
            Why.UNCHANGED: "dieselben Mitglieder",
            Why.EMPTIED: "die Gruppe im Verzeichnis ist leer",
            Why.TIE: "zwei Klassen passen gleich gut ({overlap} Mitglieder)",
            Why.MIXED: "{overlap} Mitglieder sind dieselben, das reicht nicht für ein Urteil",
            Why.WITH_CLASS: "mit der Klasse",
            Why.NOT_WITH_CLASS: "nicht mit der Klasse",
            Why.REFERENCE: "Referenz-ID",
            Why.NOT_THERE: "nicht mehr vorhanden",
            Why.STATUS: "abgemeldet oder deaktiviert",
            Why.OTHER_SCHOOL: "auch an Schule {schools}",
            Why.KNOWN_BEFORE: "war schon einmal hier",
            Why.SAME_NAME: "gleicher Name wie {other}, aber andere Referenz-ID: dieselbe Person?",
            Why.NO_CLASS: "hat ein Konto, aber keine Klasse",
            Why.TWO_CLASSES: "ist in mehreren Klassen",
            Why.NO_YEAR: "der Jahrgang ist nicht zu erkennen",
            Why.NOT_BROUGHT: "kam nie aus der Schülerliste",
        },
    ),
    "en": YearWords(
        title="New school year: preview",
        page="Page {} of {}",
        printed="Printed on {}",
        confidential="Confidential: holds names of pupils.",
        date="%d %B %Y",
        numbers="In numbers",
        classes="Classes",
        courses="Courses",
        people="People to whom something special happens",
        decide="What a person has to decide",
        nothing="Nothing: everything is clear.",
        decided="All others go on with their class.",
        last="before",
        now="now",
        what="what happens",
        reason="how it is known",
        name="name",
        number="number",
        turns={
            PersonTurn.PROMOTED: "promoted",
            PersonTurn.REPEATS: "repeats",
            PersonTurn.SKIPS: "skips a year",
            PersonTurn.MOVED: "changes class",
            PersonTurn.STAYS: "stays",
            PersonTurn.LEAVES: "leaves the school",
            PersonTurn.NEW: "new",
            PersonTurn.RETURNS: "comes back",
            PersonTurn.TWO_SCHOOLS: "at two schools",
            PersonTurn.MANUAL: "made by hand, left alone",
            PersonTurn.OPEN: "unclear",
        },
        groups={
            GroupTurn.SAME: "goes on",
            GroupTurn.MERGED: "goes on, takes others in",
            GroupTurn.SPLIT: "goes on, is split",
            GroupTurn.NEW: "new",
            GroupTurn.DISSOLVED: "ends, is archived with its files",
            GroupTurn.ARCHIVED: "is archived with its files",
            GroupTurn.OPEN: "unclear",
        },
        why={
            Why.MEMBERS: "{overlap} of {of} members are the same",
            Why.ANCHOR: "the same group in the directory",
            Why.CHOSEN: "decided so",
            Why.MERGED_INTO: "most of them are in {parts} now",
            Why.SPLIT_OFF: "was a part of {parts}",
            Why.MADE_OF: "comes from {parts}",
            Why.ALL_LEFT: "all of them left the school",
            Why.ALL_NEW: "all members are new",
            Why.SCATTERED: "its members are in many classes now",
            Why.OTHER_MEMBERS: "the same group, but other members ({overlap} of {of} in common)",
            Why.UNCHANGED: "the same members",
            Why.EMPTIED: "the group in the directory is empty",
            Why.TIE: "two classes fit equally well ({overlap} members)",
            Why.MIXED: "{overlap} members are the same, which is not enough to tell",
            Why.WITH_CLASS: "with the class",
            Why.NOT_WITH_CLASS: "not with the class",
            Why.REFERENCE: "reference id",
            Why.NOT_THERE: "not there any more",
            Why.STATUS: "signed off or disabled",
            Why.OTHER_SCHOOL: "also at school {schools}",
            Why.KNOWN_BEFORE: "was here before",
            Why.SAME_NAME: "the same name as {other}, but another reference id: the same person?",
            Why.NO_CLASS: "has an account, but no class",
            Why.TWO_CLASSES: "is in several classes",
            Why.NO_YEAR: "the year can't be told",
            Why.NOT_BROUGHT: "never came from a roster",
        },
    ),
}
