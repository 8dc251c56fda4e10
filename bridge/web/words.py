"""The words of the page, German and English. ``{}`` are filled in."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, Mapping[str, str]] = {
    "de": {
        "title": "Kennwörter", "login": "Anmeldename am Schulrechner", "password": "Kennwort", "log_in": "Anmelden",
        "log_out": "Abmelden", "wrong": "Anmeldename oder Kennwort ist falsch.",
        "slow": "Zu viele Versuche. In einer Viertelstunde geht es wieder.",
        "away": "Die Schule oder die Cloud antwortet gerade nicht. Bitte später noch einmal.",
        "stale": "Die Seite war zu lange offen. Bitte noch einmal.",
        "own": "Eigenes Kennwort ändern", "old": "Bisheriges Kennwort", "new": "Neues Kennwort",
        "again": "Neues Kennwort wiederholen", "change": "Ändern", "unequal": "Die beiden neuen sind nicht gleich.",
        "changed": "Geändert. Das neue Kennwort gilt am Schulrechner und in Microsoft 365.",
        "classes": "Meine Klassen", "reset": "Neues Kennwort", "none": "Keine Klasse gefunden.",
        "made": "Neues Kennwort für {}", "once": "Es wird nur jetzt gezeigt. Bitte aufschreiben und weitergeben.",
        "rules": "Nichts wurde geändert. Nötig ist:", "nothing": "Nichts wurde geändert.",
        "apart": "Nicht überall gesetzt. Bitte gleich noch einmal setzen, sonst gelten zwei verschiedene Kennwörter.",
        "school": "Schulrechner", "cloud": "Microsoft 365", "holds_new": "neues Kennwort",
        "holds_old": "bisheriges Kennwort", "holds_unknown": "unbekannt: das neue oder das bisherige",
        "holds_absent": "kein Konto", "forbidden": "Das ist keine Schülerin und kein Schüler Ihrer Klassen.",
        "name": "Name", "skip": "Zum Inhalt", "other": "English",
    },
    "en": {
        "title": "Passwords", "login": "Login at the school's computers", "password": "Password", "log_in": "Log in",
        "log_out": "Log out", "wrong": "Login or password is wrong.",
        "slow": "Too many tries. It works again in a quarter of an hour.",
        "away": "The school or the cloud does not answer right now. Please try again later.",
        "stale": "The page was open for too long. Please try again.",
        "own": "Change my password", "old": "Present password", "new": "New password",
        "again": "The new password again", "change": "Change", "unequal": "The two new ones are not the same.",
        "changed": "Changed. The new password holds at the school's computers and in Microsoft 365.",
        "classes": "My classes", "reset": "New password", "none": "No class was found.",
        "made": "New password for {}", "once": "It is shown only now. Please write it down and hand it on.",
        "rules": "Nothing was changed. Needed:", "nothing": "Nothing was changed.",
        "apart": "Not set everywhere. Please set it again at once, or there are two different passwords.",
        "school": "School's computers", "cloud": "Microsoft 365", "holds_new": "new password",
        "holds_old": "password before", "holds_unknown": "unknown: the new one or the one before",
        "holds_absent": "no account", "forbidden": "This is no pupil of your classes.",
        "name": "Name", "skip": "To the content", "other": "Deutsch",
    },
}  # fmt: skip
