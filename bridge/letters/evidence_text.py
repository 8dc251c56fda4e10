"""The words of readiness and completion reports, German and English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.core.changeover import Course
from bridge.core.cutover import Event, Gate, Stage

#: Gate -> its title (German, English).
GATES: Mapping[Gate, tuple[str, str]] = {
    Gate.CONFIGURATION: ("Einstellungen seit der Probe unverändert", "Settings unchanged since the rehearsal"),
    Gate.CREDENTIALS: ("Zugänge und Rechte gültig", "Credentials and rights valid"),
    Gate.CLOCK: ("Uhren gehen richtig", "Clocks are right"),
    Gate.CAPACITY: ("Speicherplatz und Lizenzen reichen", "Enough disk space, quota and licences"),
    Gate.COMPLETE_SCAN: ("Beide Seiten vollständig gelesen", "Both sides read to their end"),
    Gate.BACKLOG: ("Rest passt in die Sperrzeit", "What is left fits into the freeze"),
    Gate.DECIDED: ("Konflikte und Zurückgestelltes entschieden", "Conflicts and what was held are decided"),
    Gate.COUNTS: ("Konten und Mitgliedschaften auf beiden Seiten gleich", "Accounts and memberships equal"),
    Gate.VERIFIED: ("Inhalt der Dateien verglichen", "Contents of the files compared"),
    Gate.PERMISSIONS: ("Rechte vollständig übertragen", "Permissions carried over"),
    Gate.OPEN_FILES: ("Keine Dateien mehr geöffnet", "No files open any more"),
    Gate.DEVICES: ("Geräte sind vorbereitet", "Devices are ready"),
    Gate.INFORMED: ("Alle Beteiligten sind informiert", "Everybody is informed"),
    Gate.ROLLBACK_REHEARSED: ("Der Rückweg wurde geprobt", "The way back was rehearsed"),
    Gate.SOAKED: ("Lange genug erprobt", "Tried for long enough"),
    Gate.TWO_APPROVERS: ("Zwei Personen haben zugestimmt", "Two people have approved"),
    Gate.CODE_TYPED: ("Schulnummer zur Bestätigung eingegeben", "School code typed to confirm"),
}
RESULTS: Mapping[str, tuple[str, str]] = {
    "pass": ("✓ erfüllt", "✓ holds"),
    "waived": ("○ mit Ausnahme", "○ waived"),
    "fail": ("✗ nicht erfüllt", "✗ does not hold"),
    "stale": ("✗ veraltet", "✗ too old"),
    "unknown": ("✗ nicht geprüft", "✗ not measured"),
}
#: Who takes care of a gate, as its law calls them.
PERSONS: Mapping[str, tuple[str, str]] = {
    "school IT": ("IT der Schule", "school IT"),
    "school authority": ("Schulträger", "school authority"),
    "head teacher": ("Schulleitung", "head teacher"),
}
EVENTS: Mapping[Event, tuple[str, str]] = {
    Event.OBSERVE: ("Beobachten", "Observing"),
    Event.REHEARSE: ("Probe", "Rehearsal"),
    Event.MIRROR: ("Abgleich in beide Richtungen", "Mirroring both ways"),
    Event.FREEZE: ("Beginn der Umstellung (Sperre)", "Beginning of the cutover (freeze)"),
    Event.SWITCH: ("Umschalten auf die Cloud", "Switch to the cloud"),
    Event.FINALISE: ("Endgültiger Abschluss", "Point of no return"),
    Event.RETIRE: ("Stilllegung der Brücke", "Retiring the bridge"),
}
STAGES: Mapping[Stage, tuple[str, str]] = {
    Stage.CLASSIC: ("nicht verbunden", "not bridged"),
    Stage.OBSERVING: ("wird beobachtet", "observed"),
    Stage.REHEARSING: ("wird geprobt", "rehearsing"),
    Stage.HYBRID: ("wird abgeglichen, die Schule führt", "mirrored, the school leads"),
    Stage.FREEZING: ("gesperrt für die Umstellung", "frozen for the cutover"),
    Stage.SOAKING: ("umgestellt, der Rückweg ist offen", "cut over, the way back is open"),
    Stage.CLOUD: ("umgestellt, endgültig", "cut over for good"),
    Stage.RETIRED: ("abgeschlossen", "retired"),
    Stage.PAUSED_HYBRID: ("Abgleich angehalten, die Schule führt", "mirroring paused, the school leads"),
    Stage.PAUSED_SOAKING: ("umgestellt, Rückschreiben angehalten", "cut over, writeback paused"),
    Stage.PAUSED_CLOUD: ("umgestellt, angehalten", "cut over, paused"),
}
KINDS: Mapping[str, tuple[str, str]] = {
    "user": ("Konten", "accounts"),
    "group": ("Gruppen", "groups"),
    "members": ("Mitgliedschaften", "memberships"),
    "owners": ("Leitungen von Gruppen", "owners of groups"),
    "folder": ("Ordner", "folders"),
    "file": ("Dateien", "files"),
    "bytes": ("Bytes", "bytes"),
}
#: What came of a run, or where it is (German, English).
OUTCOMES: Mapping[str, tuple[str, str]] = {
    Course.CUTOVER: ("umgestellt", "switched"),
    Course.REHEARSAL: ("geprobt, wieder wie zuvor", "rehearsed, as before again"),
    Course.ROLL_BACK: ("zurückgekehrt", "rolled back"),
    Course.ABORTED: ("abgebrochen, wieder wie zuvor", "aborted, as before again"),
    Course.LATE: ("Frist abgelaufen, von selbst wieder wie zuvor", "deadline passed, as before again by itself"),
}
#: Numbers of a comparison of contents; those that say nothing to a reader are left out.
NUMBERS: Mapping[str, tuple[str, str]] = {
    "files": ("Dateien, die zu vergleichen waren", "files to be compared"),
    "compared": ("davon verglichen", "of these compared"),
    "different": ("mit anderem Inhalt oder Ort", "of other content or place"),
    "held": ("davon aus bekanntem Grund", "of these for a known reason"),
    "unread": ("geöffnet oder gerade geschrieben", "open or being written"),
    "not_compared": ("Ordner, die nicht verglichen werden konnten", "folders that could not be compared"),
    "folders": ("Ordner", "folders"),
    "percent": ("Anteil der Dateien in Prozent", "part of the files in percent"),
}
WORDS: Mapping[str, Mapping[str, Any]] = {
    "de": {
        "completion": "Nachweis der Umstellung",
        "readiness": "Bereitschaft zur Umstellung",
        "made": "Stand: {made}. Schule: {name} ({school}). Zustand: {stage}.",
        "ready": "Alle Bedingungen für den nächsten Schritt ({event}) sind erfüllt.",
        "not_ready": "Noch nicht erfüllt: {open} von {all} Bedingungen für den nächsten Schritt ({event}).",
        "appointment": "Der Termin ist {at}. Bis dahin muss alles Offene erledigt sein.",
        "no_appointment": "Ein Termin ist noch nicht vereinbart.",
        "open": "Noch zu tun",
        "done": "Erledigt",
        "nothing_open": "Nichts.",
        "todo": ("Bedingung", "Stand", "Gefunden", "Zu tun", "Wer", "Bis"),
        "gates": ("Bedingung", "Stand", "Gefunden", "Gemessen", "Gilt bis", "Ausnahme oder Bestätigung"),
        "by": "{actor}: {reason} ({at})",
        "run": "Ablauf",
        "run_line": "Umstellung {id}, begonnen {started} von {actor}, Frist {deadline}, beendet {ended}: {outcome}",
        "no_run": "Es gab noch keine Umstellung.",
        "still": "noch nicht",
        "moves": ("Zeit", "Von", "Nach", "Wer", "Grund", "Journal"),
        "mirrored": "Was auf beiden Seiten liegt",
        "share": "Freigabe {share}: {numbers}",
        "only_school": "Nur in der Schule: {numbers}",
        "only_cloud": "Nur in der Cloud: {numbers}",
        "root": "Merkle-Wurzel des Bestandsverzeichnisses ({leaves} Zeilen): {root}",
        "verification": "Vergleich der Inhalte",
        "skipped": "Was nicht übertragen ist",
        "held": "Zurückgestellt: {held}; offene Konflikte: {conflicts}; ohne Ordner: {without}; Ausnahmen: {waived}",
        "held_rows": ("Wo", "Objekt", "Seite", "Regel", "Seit", "Freigegeben von"),
        "more": "… und {more} weitere in der Datei",
        "event": "Bedingungen: {event} (Stand {at})",
        "approvals": "Zustimmungen",
        "approval_rows": ("Schritt", "Wer", "Wann", "Grund"),
        "back": "Rückweg",
        "back_open": "Die Schule kann noch zurück, bis zum endgültigen Abschluss.",
        "back_closed": "Einen Rückweg gibt es jetzt nicht.",
        "proof": "Womit das geprüft werden kann",
        "configuration": "Einstellungen (SHA-256): {sha256}",
        "software": "Programm {version}, {files} Dateien (SHA-256): {sha256}",
        "journal": "Journal der Schule (Nummer und Kopf der Kette): {head}",
        "journals": "Dazu die Journale von {roots} Ordnern; nicht unversehrt: {unsound}",
        "none": "–",
        "foot": "Unterschrieben mit dem Schlüssel {key}. Maßgeblich ist die Datei {file} (SHA-256 {sha256}); "
        "geprüft wird sie mit: schoolbridge report verify {file} --key {key}",
    },
    "en": {
        "completion": "Evidence of the cutover",
        "readiness": "Readiness for the cutover",
        "made": "As of {made}. School: {name} ({school}). State: {stage}.",
        "ready": "All conditions of the next step ({event}) are fulfilled.",
        "not_ready": "Not fulfilled yet: {open} of {all} conditions of the next step ({event}).",
        "appointment": "The appointment is {at}. What is open has to be done by then.",
        "no_appointment": "There is no appointment yet.",
        "open": "Still to do",
        "done": "Done",
        "nothing_open": "Nothing.",
        "todo": ("Condition", "State", "Found", "To do", "Who", "Until"),
        "gates": ("Condition", "State", "Found", "Measured", "Valid until", "Waived or attested"),
        "by": "{actor}: {reason} ({at})",
        "run": "What happened",
        "run_line": "Cutover {id}, begun {started} by {actor}, deadline {deadline}, ended {ended}: {outcome}",
        "no_run": "There was no cutover yet.",
        "still": "not yet",
        "moves": ("Time", "From", "To", "Who", "Reason", "Journal"),
        "mirrored": "What lies on both sides",
        "share": "Share {share}: {numbers}",
        "only_school": "At the school only: {numbers}",
        "only_cloud": "In the cloud only: {numbers}",
        "root": "Merkle root of the manifest ({leaves} lines): {root}",
        "verification": "Comparison of contents",
        "skipped": "What was not carried over",
        "held": "Held: {held}; open conflicts: {conflicts}; without a folder: {without}; waived: {waived}",
        "held_rows": ("Where", "Object", "Side", "Rule", "Since", "Released by"),
        "more": "… and {more} more in the file",
        "event": "Conditions: {event} (as of {at})",
        "approvals": "Approvals",
        "approval_rows": ("Step", "Who", "When", "Reason"),
        "back": "The way back",
        "back_open": "The school can still go back, until the point of no return.",
        "back_closed": "There is no way back now.",
        "proof": "What this can be checked with",
        "configuration": "Settings (SHA-256): {sha256}",
        "software": "Program {version}, {files} files (SHA-256): {sha256}",
        "journal": "The school's journal (number and head of the chain): {head}",
        "journals": "And the journals of {roots} folders; not whole: {unsound}",
        "none": "–",
        "foot": "Signed with the key {key}. What counts is the file {file} (SHA-256 {sha256}); it is checked with: "
        "schoolbridge report verify {file} --key {key}",
    },
}
