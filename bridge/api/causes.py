"""What stands behind a rule that holds something, and what to do about it; without a name of anybody."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.daemon.plain_words import words

#: Rule, or what stands before or after its colon -> (cause, remedy).
_CAUSES: Mapping[str, tuple[str, str]] = {
    "consent": ("no consent was given for the cloud", "enter the consent at the school, or leave it as it is"),
    "stage": ("the school's stage writes nothing to that side", "move the school on when it is ready"),
    "restored": ("the state was put back from a backup", "look at it, then: schoolbridge restored end"),
    "capability": ("that side can't do what is wanted", "do it there by hand, or change what is wanted"),
    "guard:empty": ("a side shows nothing at all any more", "look whether that side is what it should be"),
    "guard:missing": ("records are missing without having been deleted", "bring them back, or release them"),
    "guard": ("more at once than the threshold allows", "look whether it is right, then release it; else repair it"),
    "correlate:disputed": ("several records fit", "say which one it is: schoolbridge link"),
    "correlate": ("it is not clear whose record it is", "say which one it is: schoolbridge link"),
    "refused": ("a side did not take a value", "look at the object's message and correct the value"),
    "year": ("the school year is open", "apply or close it: schoolbridge year"),
    "waits": ("it waits and follows by itself", "nothing, unless it stays"),
    "failed:synced": (
        "an account of another synchronisation has that login",
        "leave the person to Entra Connect, or end it for them; a namesake needs another login",
    ),
    "failed": ("a write failed", "it is tried again by itself; look at its message when it stays"),
}


def cause_of(rule: str) -> tuple[str, str]:
    """(cause, remedy) of a rule like ``failed:quota`` or ``guard:delete``."""
    sort, _, cause = rule.partition(":")
    for name in (rule, sort):
        if name in _CAUSES and (name == rule or sort not in {"failed", "waits"}):
            return _CAUSES[name]
    general, remedy = _CAUSES.get(sort, _CAUSES["failed"])
    told = words(rule, "en")
    return (told if cause and told != words("", "en") else general), remedy
