"""Why a file is not on both sides, in words for a teacher. The rule's exact message is for the administrator."""

from __future__ import annotations

from bridge.settings.models import Language

_CAUSES: dict[str, tuple[str, str]] = {
    "name_refused": (
        "The name holds a character or word that the other side does not allow. Rename it.",
        "Der Name enthält ein Zeichen oder Wort, das auf der anderen Seite nicht erlaubt ist. Bitte umbenennen.",
    ),
    "path_too_long": (
        "The path (all folder names together) is too long. Shorten a folder's name or move it up.",
        "Der Pfad (alle Ordnernamen zusammen) ist zu lang. Bitte einen Ordnernamen kürzen oder höher ablegen.",
    ),
    "name_taken": (
        "Something else has this name already (upper and lower case count as the same). Rename one of them.",
        "Der Name ist schon vergeben (Groß- und Kleinschreibung zählt nicht). Bitte eines von beiden umbenennen.",
    ),
    "busy": (
        "It is open in a program. It follows by itself when it is closed.",
        "Die Datei ist in einem Programm geöffnet. Sie folgt von selbst, sobald sie geschlossen ist.",
    ),
    "locked": (
        "Somebody has it open or checked out in the cloud. It follows by itself when that is over.",
        "Jemand hat die Datei in der Cloud geöffnet oder ausgecheckt. Sie folgt danach von selbst.",
    ),
    "changed": (
        "It is being written just now. It follows by itself.",
        "Die Datei wird gerade geschrieben. Sie folgt von selbst.",
    ),
    "unfinished": (
        "It is large and still on its way. It goes on by itself.",
        "Die Datei ist groß und noch unterwegs. Es geht von selbst weiter.",
    ),
    "quota": (
        "There is no room left. Delete what is not needed, or ask for more room.",
        "Der Speicherplatz ist voll. Bitte Unnötiges löschen oder mehr Platz beantragen.",
    ),
    "denied": (
        "The bridge has no right to read or write it. Ask the administrator.",
        "Die Bridge darf die Datei nicht lesen oder schreiben. Bitte bei der Administration melden.",
    ),
    "missing": (
        "It vanished on one side without a trace of having been deleted. It is kept until somebody decides.",
        "Sie fehlt auf einer Seite, ohne dass ein Löschen zu sehen ist. Sie bleibt erhalten, bis jemand entscheidet.",
    ),
    "guard": (
        "So many changes at once were held back to be safe. The administrator decides.",
        "So viele Änderungen auf einmal wurden zur Sicherheit angehalten. Die Administration entscheidet.",
    ),
    "correlate": (
        "It is not clear which file of the other side it belongs to. The administrator decides.",
        "Es ist nicht klar, zu welcher Datei der anderen Seite sie gehört. Die Administration entscheidet.",
    ),
    "": (
        "It could not be transferred. It is tried again; if it stays here, ask the administrator.",
        "Sie konnte nicht übertragen werden. Es wird erneut versucht; sonst bitte bei der Administration melden.",
    ),
}


def words(rule: str, language: Language) -> str:
    """The reason behind a rule like ``failed:name_refused`` or ``waits:busy``; a general one where it is not known."""
    sort, _, cause = rule.partition(":")
    found = _CAUSES.get(cause) or _CAUSES.get(sort) or _CAUSES[""]
    return found[1 if language == "de" else 0]
