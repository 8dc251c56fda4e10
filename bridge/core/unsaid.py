"""What of a school folder's rights no role in the cloud can express, for a person: never dropped in silence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """Why something could not be carried over."""

    DENY = "deny"
    NO_LIST = "no_list"
    OTHER_ENTRY = "other_entry"
    CREATOR = "creator"
    BELOW_ONLY = "below_only"
    NOT_BELOW = "not_below"
    BROKEN = "broken"
    OWN = "own"
    PARTLY = "partly"
    NEITHER = "neither"
    UNREADABLE = "unreadable"
    EVERYBODY = "everybody"
    UNKNOWN = "unknown"
    SEVERAL = "several"
    GROUP_READS = "group_reads"
    GROUP_NOTHING = "group_nothing"
    LESS = "less"
    REFUSED = "refused"


#: In English and in German. ``{who}``, ``{detail}``: see ``Unsaid``.
_WORDS: dict[Cause, tuple[str, str]] = {
    Cause.DENY: (
        "Deny for {who} (rights {detail}): the cloud knows no Deny; take it away here or leave the folder out",
        "Verweigern für {who} (Rechte {detail}): die Cloud kennt kein Verweigern; hier entfernen oder Ordner ausnehmen",
    ),
    Cause.NO_LIST: (
        "there are no permissions at all, so everybody may do everything here: nobody is let in for that",
        "es gibt gar keine Berechtigungen, hier darf also jeder alles: dafür wird niemand eingelassen",
    ),
    Cause.OTHER_ENTRY: (
        "an entry of type {detail} (a condition or an audit) can't be expressed",
        "ein Eintrag der Art {detail} (eine Bedingung oder Überwachung) lässt sich nicht ausdrücken",
    ),
    Cause.CREATOR: (
        "who makes something may do more with it (CREATOR OWNER): the cloud knows no such rule",
        "wer etwas anlegt, darf damit mehr tun (ERSTELLER-BESITZER): die Cloud kennt keine solche Regel",
    ),
    Cause.BELOW_ONLY: (
        "{who} has rights below only, not here ({detail})",
        "{who} hat Rechte nur darunter, nicht hier ({detail})",
    ),
    Cause.NOT_BELOW: (
        "{who} has rights here ({detail}) that do not reach everything below; in the cloud they do",
        "{who} hat hier Rechte ({detail}), die nicht für alles darunter gelten; in der Cloud schon",
    ),
    Cause.BROKEN: (
        "inheritance is broken here: in the cloud the folder has the permissions of the one above",
        "die Vererbung ist hier unterbrochen: in der Cloud gelten die Berechtigungen des Ordners darüber",
    ),
    Cause.OWN: (
        "this folder has permissions of its own: in the cloud it has those of the one above",
        "dieser Ordner hat eigene Berechtigungen: in der Cloud gelten die des Ordners darüber",
    ),
    Cause.PARTLY: (
        "{who} may read and a part of writing ({detail}): only read is carried over",
        "{who} darf lesen und teilweise schreiben ({detail}): nur das Lesen wird übernommen",
    ),
    Cause.NEITHER: (
        "{who} has rights that are neither read nor change ({detail})",
        "{who} hat Rechte, die weder Lesen noch Ändern sind ({detail})",
    ),
    Cause.UNREADABLE: (
        "the permissions can't be read ({detail}): give the bridge's account the right to read them",
        "die Berechtigungen sind nicht lesbar ({detail}): dem Konto der Bridge das Leserecht dafür geben",
    ),
    Cause.EVERYBODY: (
        "{who} ({detail}) is everybody: give the right to a group, which can be let in",
        "{who} ({detail}) ist jeder: das Recht einer Gruppe geben, die eingelassen werden kann",
    ),
    Cause.UNKNOWN: (
        "{who} ({detail}) is nobody who is mirrored: mirror the group, or give the right to one that is",
        "{who} ({detail}) wird nicht gespiegelt: die Gruppe spiegeln oder das Recht einer gespiegelten geben",
    ),
    Cause.SEVERAL: (
        "{who} ({detail}) may be several people or groups: give the right to one with a name of its own",
        "{who} ({detail}) kann mehrere Personen oder Gruppen meinen: das Recht einer mit eindeutigem Namen geben",
    ),
    Cause.GROUP_READS: (
        "the group itself may only read here; in the cloud its members may write",
        "die Gruppe selbst darf hier nur lesen; in der Cloud dürfen ihre Mitglieder schreiben",
    ),
    Cause.GROUP_NOTHING: (
        "the group itself has no right here; in the cloud its members may write",
        "die Gruppe selbst hat hier kein Recht; in der Cloud dürfen ihre Mitglieder schreiben",
    ),
    Cause.LESS: (
        "{who} was given less in the cloud by hand than the school grants: change it there by hand",
        "{who} hat in der Cloud von Hand weniger erhalten, als die Schule gewährt: dort von Hand ändern",
    ),
    Cause.REFUSED: ("{detail}", "{detail}"),
}


@dataclass(frozen=True, slots=True)
class Unsaid:
    """One thing. ``folder``: its path below the root, empty for the root itself.

    ``who``: whose right it is (a SID, the name of an account or group, or an id of the cloud), empty where it is
    nobody's. ``detail``: the rights or the reason.
    """

    cause: Cause
    folder: str = ""
    who: str = ""
    detail: str = ""

    def say(self, language: str = "en", *, called: Callable[[str], str] = str) -> str:
        """A sentence in English or German (``de``); ``called`` gives whose right it is a name."""
        sentence = _WORDS[self.cause][language == "de"].format(who=called(self.who), detail=self.detail)
        return f"{self.folder}: {sentence}" if self.folder else sentence
