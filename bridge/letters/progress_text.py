"""The words of the report of progress, German and English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.core.changeover import Course
from bridge.core.forecast import Bottleneck
from bridge.letters.evidence_text import OUTCOMES

#: What schools wait for (German, English).
WAITS: Mapping[str, tuple[str, str]] = {
    Bottleneck.THROUGH: ("umgestellt", "cut over"),
    Bottleneck.NOTHING_KNOWN: ("noch nichts gemessen", "nothing measured yet"),
    Bottleneck.SILENT: ("Standort meldet sich nicht", "nothing heard of the site"),
    Bottleneck.STAGE: ("wird noch nicht abgeglichen", "not mirrored yet"),
    Bottleneck.LINE: ("Leitung der Schule", "the school's line"),
    Bottleneck.BUDGET: ("gemeinsames Kontingent der Cloud", "the cloud's budget that all share"),
    Bottleneck.DECISIONS: ("Entscheidungen vor Ort", "decisions of people"),
    Bottleneck.GATES: ("offene Bedingungen", "open conditions"),
    Bottleneck.NOTHING: ("nichts, bereit", "nothing, ready"),
}
#: Why a school was not cut over with its wave.
REASONS: Mapping[str, tuple[str, str]] = {
    "refused": ("am Standort abgelehnt: Bedingungen nicht erfüllt", "refused at the site: conditions do not hold"),
    "expired": ("Standort war nicht erreichbar", "the site could not be reached"),
    "withdrawn": ("zurückgenommen", "withdrawn"),
    "silent": ("Standort meldet sich nicht; Ausgang unbekannt", "the site is silent; outcome not known"),
    "ended otherwise": ("anders geendet als geplant", "ended otherwise than planned"),
    "missed": ("zum Termin nicht begonnen", "did not begin at its time"),
    "kept back": ("zurückgehalten, weil die Welle angehalten ist", "kept back because the wave is stopped"),
    **{course: OUTCOMES[course] for course in (Course.ABORTED, Course.LATE, Course.ROLL_BACK)},
}
STATES: Mapping[str, tuple[str, str]] = {
    "": ("geplant", "planned"),
    "running": ("läuft", "under way"),
    "stopped": ("angehalten", "stopped"),
    "cancelled": ("abgesagt", "cancelled"),
    "through": ("abgeschlossen", "through"),
}
SEVERITIES: Mapping[str, tuple[str, str]] = {
    "critical": ("kritisch", "critical"),
    "warning": ("Warnungen", "warnings"),
    "notice": ("Hinweise", "notices"),
}
WORDS: Mapping[str, Mapping[str, Any]] = {
    "de": {
        "title": "Bericht zum Stand der Umstellung",
        "whose": "Schulträger",
        "summary": "Überblick",
        "made": "Stand: {made}.",
        "done": "{through} von {schools} Schulen sind umgestellt ({percent} %).",
        "waves_line": "{through} von {waves} Wellen sind abgeschlossen.",
        "end": "Alle Wellen könnten abgeschlossen sein: {range}.",
        "stopped": "Angehalten: {names}.",
        "silent": "Schulen, von denen derzeit nichts zu hören ist: {count}; was hier steht, ist für sie älter.",
        "none_silent": "Alle Standorte melden sich.",
        "untold": "Schulen, von denen noch nichts gemeldet wurde: {count}; wo sie stehen, ist nicht bekannt.",
        "without": "Schulen in keiner Welle: {count}.",
        "stages": "Wo die Schulen stehen",
        "stage_rows": ("Stand", "Schulen"),
        "waves": "Wellen",
        "wave_rows": ("Welle", "Zuständig", "Stand", "Schulen", "Umgestellt", "Offen", "Begonnen", "Voraussetzungen"),
        "needs": "{attested} von {needs} bestätigt",
        "forecast": "Vorausschau",
        "forecast_text": "Spannen, keine Termine: gerechnet aus dem, was noch zu übertragen ist, aus den gemessenen "
        "Geschwindigkeiten, dem gemeinsamen Kontingent, Sperrzeiten und Pausen. Was Menschen zu entscheiden haben, "
        "dauert so lange, wie sie brauchen, und ist nicht mitgerechnet.",
        "measured": "Eine Umstellung dauerte bisher zwischen {least} und {most} Stunden (gemessen: {count}).",
        "assumed": "Gemessen ist noch zu wenig; angenommen sind {least} bis {most} Stunden je Umstellung.",
        "forecast_rows": ("Welle", "Beginn", "Ende", "Letzte Schule", "Sie wartet auf"),
        "waits": "Worauf die Schulen warten",
        "waits_rows": ("Worauf", "Schulen"),
        "people": "Offene Entscheidungen in allen Schulen zusammen: {count}.",
        "delays": "Verzögerungen",
        "delay_rows": ("Welle", "Schule", "Geplant", "Grund"),
        "incidents": "Vorfälle der letzten {days} Tage",
        "notices": "Meldungen der Standorte: {counts}.",
        "incident_rows": ("Wann", "Schule", "Was geschah"),
        "none": "–",
        "nothing": "Keine.",
        "more": "Gezeigt sind {shown} von {count}.",
        "unknown": "nicht bekannt",
        "least": "frühestens {earliest}",
        "between": "{earliest} bis {latest}",
        "foot": "Nur Zahlen und Namen von Schulen, keine Namen von Personen. Erstellt von schoolbridge {version} am "
        "{made}; letzte Nachricht eines Standorts: {heard}.",
    },
    "en": {
        "title": "Report on the progress of the cutover",
        "whose": "School authority",
        "summary": "In short",
        "made": "As of {made}.",
        "done": "{through} of {schools} schools are cut over ({percent} %).",
        "waves_line": "{through} of {waves} waves are through.",
        "end": "All waves could be through: {range}.",
        "stopped": "Stopped: {names}.",
        "silent": "Schools of which nothing is heard now: {count}; what stands here is older for them.",
        "none_silent": "All sites are heard.",
        "untold": "Schools of which nothing was told yet: {count}; where they stand is not known.",
        "without": "Schools in no wave: {count}.",
        "stages": "Where the schools stand",
        "stage_rows": ("Stage", "Schools"),
        "waves": "Waves",
        "wave_rows": ("Wave", "In charge", "State", "Schools", "Cut over", "Open", "Begun", "Needs"),
        "needs": "{attested} of {needs} attested",
        "forecast": "What is ahead",
        "forecast_text": "Ranges, no dates: out of what is left to carry over, the speeds that were measured, the "
        "budget that all share, blackouts and pauses. What people have to decide takes as long as they take, and is "
        "not counted.",
        "measured": "A cutover took between {least} and {most} hours up to now (measured: {count}).",
        "assumed": "Too little was measured yet; {least} to {most} hours are assumed for each cutover.",
        "forecast_rows": ("Wave", "Begins", "Ends", "Last school", "It waits for"),
        "waits": "What the schools wait for",
        "waits_rows": ("For what", "Schools"),
        "people": "Open decisions at all schools together: {count}.",
        "delays": "Delays",
        "delay_rows": ("Wave", "School", "Planned", "Reason"),
        "incidents": "Incidents of the last {days} days",
        "notices": "Messages of the sites: {counts}.",
        "incident_rows": ("When", "School", "What happened"),
        "none": "–",
        "nothing": "None.",
        "more": "{shown} of {count} are shown.",
        "unknown": "not known",
        "least": "{earliest} at the earliest",
        "between": "{earliest} to {latest}",
        "foot": "Counts and names of schools only, no names of people. Made by schoolbridge {version} on {made}; last "
        "message of a site: {heard}.",
    },
}
