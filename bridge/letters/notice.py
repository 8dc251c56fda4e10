"""What the notice in a share says, in both languages: whoever opens the folder in the PC room reads it."""

from __future__ import annotations

from bridge.settings import School

_GERMAN = """\
{name}: umgezogen in die Cloud
===============================

Die Dateien dieses Ordners liegen jetzt in der Cloud der Schule, in OneDrive oder Teams.
{after_de}
Fehlt dort etwas, oder bei Fragen: die IT der Schule weiß, was nicht übertragen wurde.
"""
_ENGLISH = """\
{name}: moved to the cloud
===============================

The files of this folder are in the school's cloud now, in OneDrive or Teams.
{after_en}
Is something missing there, or any questions: the school's IT knows what was not carried over.
"""
_AFTER = {
    "writable": (
        "Noch wird dieser Ordner mit der Cloud abgeglichen: Was hier gespeichert wird, ist kurz darauf auch dort.",
        "This folder is still kept in step with the cloud: what is saved here is there soon after.",
    ),
    "read-only": (
        "Dieser Ordner kann nur noch gelesen werden. Bitte in der Cloud weiterarbeiten.",
        "This folder can only be read now. Please go on working in the cloud.",
    ),
}


def text_of(school: School) -> str:
    """The notice; the school's own language comes first. Lines end as Windows' editor wants them."""
    german, english = _AFTER[school.cutover.shares_after]
    texts = [
        _GERMAN.format(name=school.name, after_de=german),
        _ENGLISH.format(name=school.name, after_en=english),
    ]
    if school.language == "en":
        texts.reverse()
    return "\n\n".join(texts).replace("\n", "\r\n")
