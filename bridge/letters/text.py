"""The words on the letters, German and English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """Everything that is printed besides names. ``{}`` are filled in."""

    title: str
    group: str
    without: str
    login: str
    password: str
    change: str
    set_password: str
    keep: str
    page: str
    printed: str
    confidential: str
    people: str
    date: str


WORDS: Mapping[str, Words] = {
    "de": Words(
        title="Zugangsdaten",
        group="Klasse {}",
        without="Ohne Klasse",
        login="Anmeldename",
        password="Erstes Kennwort",  # noqa: S106
        change="Bei der ersten Anmeldung ist ein eigenes Kennwort zu wählen. Danach diesen Zettel vernichten.",
        set_password="Kennwort",  # noqa: S106
        keep="Gilt am Schulrechner und in Microsoft 365. Niemandem zeigen; den Zettel danach vernichten.",
        page="Seite {} von {}",
        printed="Gedruckt am {}",
        confidential="Vertraulich: jeder Streifen geht nur an die Person, deren Name darauf steht.",
        people="{} Personen",
        date="%d.%m.%Y",
    ),
    "en": Words(
        title="Login details",
        group="Class {}",
        without="Without a class",
        login="User name",
        password="First password",  # noqa: S106
        change="You will have to choose a password of your own at the first login. Destroy this slip afterwards.",
        set_password="Password",  # noqa: S106
        keep="For the school's computers and Microsoft 365. Show it to nobody; destroy this slip once you know it.",
        page="Page {} of {}",
        printed="Printed on {}",
        confidential="Confidential: hand each strip only to the person whose name is on it.",
        people="{} people",
        date="%d %B %Y",
    ),
}
