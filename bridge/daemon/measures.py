"""What protects the data of a school (GDPR Art. 32), each line from a setting that is really in force.

A line that shows a weakness says so, with what to do: a record that only praises would be worth nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from bridge.core.cutover import STAGES, Stage
from bridge.core.model import Side
from bridge.core.policy import Tally
from bridge.daemon import wiring
from bridge.settings import School, Settings
from bridge.settings.words import in_words

#: German, English.
Text = tuple[str, str]


def measures(settings: Settings, school: School, stage: Stage) -> list[Text]:
    """All lines: the way, access, secrets, the state, what the guard holds, logs."""
    return [*_lines(school), *_access(settings, school, stage), *_stored(settings), *_guarded(school), *_files(school)]


def _lines(school: School) -> Iterator[Text]:
    for side in Side:
        options = school.sides[side].options.model_dump(mode="json", by_alias=True)
        where = ("Schule", "school") if side is Side.SCHOOL else ("Cloud", "cloud")
        urls = [
            str(one) for one in (*options.get("servers", ()), options.get("endpoint"), options.get("authority")) if one
        ]
        plain = sorted({url for url in urls if urlsplit(url).scheme not in {"ldaps", "https"}})
        hosts = ", ".join(sorted({urlsplit(url).hostname or url for url in urls})) or "–"
        if plain:
            yield (
                f"{where[0]}: ACHTUNG, ohne TLS: {', '.join(plain)}. Nur auf demselben Rechner zulässig.",
                f"{where[1]}: ATTENTION, without TLS: {', '.join(plain)}. Allowed on the same machine only.",
            )
        elif "tenant_id" in options or "servers" in options:
            issuer = options.get("ca_file")
            trust = (f"Zertifizierungsstelle {issuer}", f"authority {issuer}") if issuer else ("System", "the system's")
            yield (
                f"{where[0]}: nur TLS mit geprüftem Zertifikat und Namen (vertraut: {trust[0]}); Ziele: {hosts}",
                f"{where[1]}: TLS only, certificate and name verified (trusted: {trust[1]}); hosts: {hosts}",
            )


def _access(settings: Settings, school: School, stage: Stage) -> Iterator[Text]:
    power = STAGES[stage].power.value
    sides = ", ".join(sorted(one.value for one in school.policy(stage).writable))
    yield (
        f"Geringste Rechte: in der Stufe {stage} darf die Brücke schreiben: {sides or 'nirgends'}",
        f"Least privilege: in stage {stage} the bridge may write: {sides or 'nowhere'} ({power})",
    )
    for side in Side:
        options = school.sides[side].options.model_dump(mode="json", by_alias=True)
        if options.get("read_only"):
            yield (f"{side.value}: nur lesend geöffnet", f"{side.value}: opened for reading only")
        login = _login(options)
        if login is not None:
            yield login
        names = wiring.references(school.sides[side].options)
        if names:
            kinds = ", ".join(sorted({name.partition(":")[0] for name in names}))
            yield (
                f"{side.value}: {len(names)} Geheimnis(se), nur als Verweis ({kinds}), nie in YAML, Zustand oder Log",
                f"{side.value}: {len(names)} secret(s), by reference only ({kinds}), never in YAML, state or log",
            )


def _login(options: Mapping[str, Any]) -> Text | None:
    if options.get("authentication") == "gssapi":
        return ("Anmeldung an der Schule mit Kerberos", "login to the school by Kerberos")
    if options.get("certificate"):
        return ("Anmeldung an der Cloud mit Zertifikat", "login to the cloud by certificate")
    if options.get("client_secret"):
        return (
            "Anmeldung an der Cloud mit Geheimnis; ein Zertifikat wäre besser (cloud_side.certificate)",
            "login to the cloud by a secret; a certificate would be better (cloud_side.certificate)",
        )
    return None


def _stored(settings: Settings) -> Iterator[Text]:
    if settings.state_url.startswith("sqlite"):
        yield (
            "Zustand: eine Datei, nur für das Konto der Brücke lesbar (0600); sonst öffnet sie die Brücke nicht",
            "State: one file that only the bridge's account can read (0600); else the bridge refuses to open it",
        )
    else:
        tls = "sslmode=verify-full" in settings.state_url
        host = urlsplit(settings.state_url).hostname or "localhost"
        local = host in {"localhost", "127.0.0.1", "::1"}
        yield (
            f"Zustand: PostgreSQL auf {host}" + ("" if tls or local else ": ACHTUNG, setzen Sie sslmode=verify-full"),
            f"State: PostgreSQL on {host}" + ("" if tls or local else ": ATTENTION, set sslmode=verify-full"),
        )
    yield (
        "Journal: jede Änderung mit Grund, verkettet mit SHA-256; eine Änderung daran fällt auf (journal verify)",
        "Journal: every write with its reason, chained by SHA-256; tampering is found (journal verify)",
    )
    level = settings.bridge.logging.level
    yield (
        f"Log (Stufe {level}): "
        + ("ACHTUNG, enthält Namen; stellen Sie `info` ein" if level == "debug" else "nur Kennungen, keine Namen"),
        f"Log (level {level}): "
        + ("ATTENTION, names appear; set `info`" if level == "debug" else "ids only, no names"),
    )


def _guarded(school: School) -> Iterator[Text]:
    policy = school.policy(Stage.HYBRID)
    for tally in (Tally.DISABLE, Tally.DELETE):
        limit = policy.threshold(Side.CLOUD, "user", "pupil", tally)
        free = limit.count is None and limit.percent is None
        what = "∞" if free else f"{limit.count or 0} / {limit.percent or 0:g} %"
        window = in_words(school.window)
        warning = ("ACHTUNG, unbegrenzt: ", "ATTENTION, unlimited: ") if free else ("", "")
        yield (
            f"{warning[0]}Gegen Massenlöschung ({tally}, Lernende): {what} in {window}, mehr gibt ein Mensch frei",
            f"{warning[1]}Against mass deletion ({tally}, pupils): {what} within {window}, beyond it a person releases",
        )
    yield (
        "Gelöschtes bleibt für die Fristen wiederherstellbar; endgültig löscht nur die Frist (purge)",
        "What is deleted can be restored within the periods; only the period deletes for good (purge)",
    )


def _files(school: School) -> Iterator[Text]:
    for share in school.shares:
        yield (
            f"Freigabe {share.name}: Rechte {share.permissions}; Überschriebenes und Gelöschtes liegt im Papierkorb",
            f"Share {share.name}: permissions {share.permissions}; what is overwritten or deleted lies in the trash",
        )
