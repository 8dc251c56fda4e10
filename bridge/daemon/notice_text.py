"""What people are told, in German and English. Nothing but codes, counts, stages and words of this file goes in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from bridge.core.notices import Concern, Letter, Severity, What
from bridge.core.waves import named
from bridge.settings.models import Language
from bridge.settings.notify import Target
from bridge.state.notices import News

#: (German, English)
Words = tuple[str, str]
_SEVERITY: Mapping[Severity, Words] = {
    Severity.CRITICAL: ("kritisch", "critical"),
    Severity.WARNING: ("Warnung", "warning"),
    Severity.NOTICE: ("Hinweis", "notice"),
}
_WHAT: Mapping[What, Words] = {
    What.BEGUN: ("", ""),
    What.WORSE: ("schlimmer: ", "worse: "),
    What.LASTS: ("Erinnerung: ", "reminder: "),
    What.OVER: ("behoben: ", "over: "),
}
#: Kind of a trouble -> what it is, and what to do.
_KINDS: Mapping[str, tuple[Words, Words]] = {
    "error": (
        ("Der Abgleich steht: ein Fehler hält ihn an", "the mirroring stands still: an error stops it"),
        ("Ursache ansehen: schoolbridge status --school {code}", "See why: schoolbridge status --school {code}"),
    ),
    "late": (
        ("Die Seite {subject} wurde nicht rechtzeitig ganz gelesen", "the {subject} side was not read in time"),
        ("Erreichbarkeit prüfen: schoolbridge check --online", "See whether it answers: schoolbridge check --online"),
    ),
    "stuck": (
        ("Der laufende Abgleich kommt nicht voran", "the cycle under way gets no further"),
        ("Ein Server antwortet nicht oder bittet zu warten.", "A server does not answer, or asks to wait."),
    ),
    "stopped": (
        ("Ordner der Freigabe {subject} stehen still: {count}", "folders of the share {subject} stand still: {count}"),
        ("Ursachen ansehen: schoolbridge shares", "See why: schoolbridge shares"),
    ),
    "absent": (
        ("Von der Freigabe {subject} ist kein Ordner da", "no folder of the share {subject} is there"),
        ("Prüfen, ob sie eingehängt und ihr Ort richtig ist.", "See whether its place is right and mounted."),
    ),
    "elsewhere": (
        ("Freigabe {subject}: {count} Ordner liegen anderswo", "share {subject}: {count} folders lie elsewhere"),
        ("Ansehen: schoolbridge shares", "See: schoolbridge shares"),
    ),
    "unfit": (
        ("Freigabe {subject}: {count} Berechtigte ohne Ordner", "share {subject}: {count} owners have no folder"),
        ("Ansehen: schoolbridge shares", "See: schoolbridge shares"),
    ),
    "held": (
        ("Angehalten, bis jemand entscheidet ({subject}): {count}", "held until somebody decides ({subject}): {count}"),
        ("Ansehen und entscheiden: schoolbridge quarantine", "Look and decide: schoolbridge quarantine"),
    ),
    "warns": (
        ("Die Seite {subject} warnt: {count}", "the {subject} side warns: {count}"),
        ("Ansehen: schoolbridge status --school {code}", "See: schoolbridge status --school {code}"),
    ),
    "doubts": (
        (
            "Die Seite {subject} zeigt {count} Objekte anders als zuletzt geschrieben",
            "the {subject} side shows {count} records otherwise than they were written",
        ),
        ("Dort nachsehen, was geschehen ist.", "Look what happened there."),
    ),
    "orphans": (
        ("Konten in der Cloud ohne Person an der Schule: {count}", "cloud accounts of nobody at the school: {count}"),
        ("Ansehen: schoolbridge quarantine", "See: schoolbridge quarantine"),
    ),
    "authority": (
        ("Nach der Rückkehr noch Sache der Cloud: {count}", "still the cloud's after a roll back: {count}"),
        ("Ursache ansehen: schoolbridge status --school {code}", "See why: schoolbridge status --school {code}"),
    ),
    "run": (
        ("Die Umstellung kommt nicht weiter", "the cutover is held up"),
        ("Ansehen: schoolbridge stage {code}", "See: schoolbridge stage {code}"),
    ),
    "frozen": (
        (
            "Die Schule ist eingefroren, die halbe Frist ist um",
            "the school is frozen, and half of the time until the deadline is over",
        ),
        ("Abbrechen oder abwarten: schoolbridge stage {code}", "Abort it or wait: schoolbridge stage {code}"),
    ),
    "unknown": (
        ("Der Dienst kennt diese Schule nicht", "the daemon does not know this school"),
        ("Neu laden: systemctl reload schoolbridge", "Reload it: systemctl reload schoolbridge"),
    ),
    "daemon": (
        ("Der Dienst kann seinen Zustand nicht schreiben", "the daemon can't write its status"),
        ("Platte und Rechte prüfen.", "Look at the disk and at rights."),
    ),
    "configuration": (
        ("Die Konfiguration ist falsch; die alte gilt weiter", "the configuration is wrong; the old one goes on"),
        ("Ansehen: schoolbridge check", "See: schoolbridge check"),
    ),
    "appointment": (
        ("Termin der Schule {subject}, die nicht konfiguriert ist", "appointment of {subject}, no configured school"),
        ("Niemand hält ihn ein. Schule wieder konfigurieren, oder einen Tag danach verfällt er.",
         "Nobody keeps it. Configure the school again; a day after its time it is dropped."),
    ),
    "telling": (
        ("Benachrichtigungen an {subject} kommen nicht an", "{subject} can't be told what is wrong"),
        ("Versuchen: schoolbridge notify test {subject}", "Try: schoolbridge notify test {subject}"),
    ),
    "wave": (
        ("Welle {subject} angehalten; nicht umgestellt: {count}", "wave {subject} is stopped; not cut over: {count}"),
        ('Ansehen: schoolbridge hub wave show "{subject}"', 'See why: schoolbridge hub wave show "{subject}"'),
    ),
    "silent": (
        ("Vom Standort {subject} ist nichts zu hören", "nothing is heard of the site {subject}"),
        ("Leitung und Dienst dort prüfen: schoolbridge hub sites", "See whether it runs: schoolbridge hub sites"),
    ),
}  # fmt: skip
_OTHER: tuple[Words, Words] = (
    ("Etwas stimmt nicht", "something is wrong"),
    ("Ansehen: schoolbridge status", "See: schoolbridge status"),
)
_SIDES: Mapping[str, Words] = {"school": ("Schule", "school"), "cloud": ("Cloud", "cloud")}
_SORTS: Mapping[str, Words] = {
    "guard": ("zu viel auf einmal", "too much at once"),
    "correlate": ("Zuordnung unklar", "unclear whose it is"),
    "failed": ("Schreiben misslungen", "a write failed"),
    "refused": ("Wert nicht angenommen", "a value was not taken"),
    "year": ("Schuljahr offen", "school year open"),
    "stage": ("Stufe schreibt nicht", "the stage writes nothing"),
    "restored": ("Zustand zurückgespielt", "state put back"),
    "capability": ("nicht möglich", "not possible there"),
    "other": ("anderes", "other"),
}
_OUTCOMES: Mapping[str, Words] = {
    "made": ("Umstellung vereinbart für {at}", "cutover appointed for {at}"),
    "moved": ("Umstellung verschoben auf {at}", "cutover moved to {at}"),
    "cancelled": ("Umstellung abgesagt (war {at})", "cutover called off (was {at})"),
    "refused": ("Umstellung NICHT begonnen (vereinbart {at}): {cause}", "cutover NOT begun (appointed {at}): {cause}"),
    "missed": (
        "Umstellung verpasst (vereinbart {at}): nichts konnte rechtzeitig beginnen",
        "cutover missed (appointed {at}): nothing could begin in time",
    ),
}
_CAUSES: Mapping[str, Words] = {
    "blackout": ("Sperrzeit", "blackout"),
    "no wave": ("in keiner Welle", "in no wave"),
    "not before": ("Welle beginnt später", "its wave begins later"),
    "earlier wave": ("frühere Welle nicht fertig", "an earlier wave is not through"),
    "pause": ("Pause nach der vorigen Welle", "pause after the wave before"),
    "wave stopped": ("Welle angehalten", "the wave is stopped"),
    "stage": ("falsche Stufe", "not in the stage for it"),
    "gates": ("Bedingungen nicht erfüllt", "gates do not hold"),
}
_LATE: Words = (" (verspätet gesendet)", " (sent late)")


def titled(concern: Concern, language: Language) -> str:
    """What is wrong at one school, in one line."""
    what, _ = _KINDS.get(concern.kind, _OTHER)
    subject = _subject(concern.subject, language)
    return _say(what, language).format(code=concern.school, subject=subject, count=concern.count)


def _subject(subject: str, language: Language) -> str:
    found = _SIDES.get(subject) or _SORTS.get(subject)
    return _say(found, language) if found else subject


def _say(words: Words, language: Language) -> str:
    return words[0 if language == "de" else 1]


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent. ``key`` stays the same from the beginning of a trouble to its end, at all its schools: ``over``."""

    title: str
    body: str
    key: str
    severity: Severity
    over: bool = False


@dataclass(frozen=True, slots=True)
class Scribe:
    """Writes for one target."""

    target: Target
    language: Language
    zone: tzinfo

    def letter(self, letter: Letter) -> Message:
        """A trouble, or the same one at several schools."""
        concern = letter.notices[0].concern
        codes = sorted({one.concern.school for one in letter.notices} - {""})
        count = sum(one.concern.count for one in letter.notices)
        what, remedy = _KINDS.get(concern.kind, _OTHER)
        words = {
            "code": codes[0] if codes else "",
            "subject": _subject(concern.subject, self.language),
            "count": str(count),
        }
        title = self._say(_WHAT[letter.what]) + self._say(what).format(**words)
        lines = [self._whose(codes)] if codes else []
        lines += [title, self._times(letter)]
        over = letter.what is What.OVER
        if over and letter.left:
            others = ("es dauert an anderen Schulen an: {left}", "it goes on at other schools: {left}")
            lines.append(self._say(others).format(left=letter.left))
        elif not over:
            lines += ["", self._say(remedy).format(**words)]
        done = over and not letter.left
        return self._message(title, lines, codes, letter.thread, letter.severity, count=count, over=done)

    def news(self, these: Sequence[News]) -> Message:
        """Something that happened at a school, or several such things."""
        titles = [self._title(one) for one in these]
        codes = sorted({one.school for one in these})
        lines = [f"{self._on_clock(one.at)} {one.school}: {title}" for one, title in zip(these, titles, strict=True)]
        more = self._say(("Ansehen: schoolbridge journal show", "See: schoolbridge journal show"))
        count = len(these)
        title = titles[0] if count == 1 else f"{count} {self._say(('Ereignisse', 'events'))}"
        key = f"SB-{these[0].school}-{these[0].number}"
        severity = max((one.severity for one in these), key=lambda one: one.rank)
        return self._message(title, [*lines, "", more], codes, key, severity, count=count)

    def digest(self, these: Sequence[Message], at: datetime) -> Message:
        """All that was collected, in one message."""
        title = self._say(("{count} Meldungen seit gestern", "{count} messages since yesterday")).format(
            count=len(these)
        )
        parts = [f"{one.title}\n{one.body}" for one in these]
        severity = max((one.severity for one in these), key=lambda one: one.rank)
        over = all(one.over for one in these)
        key = f"SB-digest-{at.astimezone(self.zone):%Y%m%d}"
        return self._message(title, ["\n\n".join(parts)], [], key, severity, count=len(these), over=over)

    def _title(self, one: News) -> str:
        facts = one.facts
        if one.kind == "stage":
            title = self._say(("Stufe {before} → {after}", "stage {before} → {after}")).format(**facts)
            if facts.get("event") == "deadline":
                title += self._say(
                    (": Frist abgelaufen, von selbst zurück", ": deadline passed, rolled back by itself")
                )
        else:
            cause = self._say(_CAUSES.get(facts.get("cause", ""), ("siehe Journal", "see the journal")))
            said = _OUTCOMES.get(facts.get("outcome", ""), ("Umstellung", "cutover"))
            title = self._say(said).format(at=self._clock(facts.get("at", "")), cause=cause)
        return title

    def trial(self, at: datetime) -> Message:
        """For trying it out."""
        title = self._say(("Probe: Benachrichtigungen kommen an", "trial: notifications arrive"))
        return self._message(title, [title, self._on_clock(at)], [], "SB-test", Severity.NOTICE)

    def _message(
        self,
        title: str,
        lines: Sequence[str],
        codes: Sequence[str],
        key: str,
        severity: Severity,
        *,
        count: int = 0,
        over: bool = False,
    ) -> Message:
        school = named(codes) or self._say(("alle Schulen", "all schools"))
        words = {"severity": self._say(_SEVERITY[severity]), "school": school, "title": title, "key": key}
        subject = self.target.subject.format(**words, count=count or "")
        return Message(subject, "\n".join([*lines, "", f"Key: {key}"]), key, severity, over)

    def _whose(self, codes: Sequence[str]) -> str:
        one, several = ("Schule", "school"), ("Schulen", "schools")
        return f"{self._say(one if len(codes) == 1 else several)}: {', '.join(codes)}"

    def _times(self, letter: Letter) -> str:
        begun = self._on_clock(min(one.concern.since for one in letter.notices))
        if letter.what is not What.OVER:
            return self._say(("seit {begun}", "since {begun}")).format(begun=begun)
        calm = self._on_clock(max(one.calm or one.concern.since for one in letter.notices))
        late = "" if any(one.told for one in letter.notices) else self._say(_LATE)
        return self._say(("von {begun} bis {calm}", "from {begun} to {calm}")).format(begun=begun, calm=calm) + late

    def _clock(self, text: str) -> str:
        return self._on_clock(datetime.fromisoformat(text)) if text else ""

    def _on_clock(self, at: datetime) -> str:
        local = at.astimezone(self.zone)
        return f"{local:%d.%m.%Y %H:%M}" if self.language == "de" else f"{local:%Y-%m-%d %H:%M}"

    def _say(self, words: Words) -> str:
        return _say(words, self.language)
