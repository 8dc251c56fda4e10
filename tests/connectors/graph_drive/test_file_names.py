"""Names that SharePoint refuses: what the cloud gets is always allowed, and reading it back gives the school's name."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.graph_drive.file_names import cloud_name, school_name

ODD = st.text(
    alphabet=st.sampled_from(
        'ab.~$ _vtiVTI:*?"<>|\\CONconlLPT19-forms\u201b\uff1a\uff0a'
        "\u2420\uff0e\uff33\uff23\uff3f\uff5e\x01\x1f\x7f\u2401ä"
    ),
    min_size=1,
    max_size=12,
)
WORDS = st.sampled_from(
    [
        *(
            "CON",
            "con",
            ".lock",
            "desktop.ini",
            "_vti_x",
            "a_VTI_b",
            "_vti_vti_",
            "~$brief.docx",
            "~x",
            "forms",
            "LPT1",
        ),
        *("...", ".", " ", " a ", "a.", "\uff23ON", "\u201b\uff1a", "\u201b", "\u201b\u201b", "\u201b\u201bs"),
        *("a\uff1ab", "\u2420", "\u201b "),
    ]
)
NAMES = st.one_of(ODD, WORDS, st.builds(str.__add__, WORDS, ODD)).filter(lambda name: "/" not in name)


def refused(name: str, *, folder: bool, top: bool) -> bool:
    """The rules as Microsoft states them, written down once more."""
    lower = name.lower()
    return bool(
        not name
        or re.search(r'["*:<>?/\\|\x00-\x1f\x7f]', name)
        or name != name.strip(" ")
        or name.endswith(".")
        or lower in {".lock", "desktop.ini", "con", "prn", "aux", "nul"}
        or re.fullmatch(r"(com|lpt)[0-9]", lower)
        or "_vti_" in lower
        or name.startswith("~$")
        or (folder and name.startswith("~"))
        or (top and lower == "forms")
    )


@given(NAMES, st.booleans(), st.booleans())
@example("\u201b\uff23ON", False, False)
def test_what_the_cloud_gets_is_allowed_and_reads_back(name: str, folder: bool, top: bool) -> None:
    there = cloud_name(name, folder=folder, top=top)
    assert not refused(there, folder=folder, top=top)
    assert school_name(there, folder=folder, top=top) == name


@given(NAMES, st.booleans(), st.booleans())
def test_two_names_never_become_one(name: str, folder: bool, top: bool) -> None:
    """Names that people gave in the cloud, too: reading is the inverse, or changes nothing."""
    if refused(name, folder=folder, top=top):
        return
    here = school_name(name, folder=folder, top=top)
    assert here == name or cloud_name(here, folder=folder, top=top) == name


@pytest.mark.parametrize(
    "name",
    ["Brief.docx", ".gitignore", "Äpfel & Birnen #1 100%.txt", "~brief", "COM10", "a  b", "console", "it\u201bs"],
)
def test_what_is_allowed_stays(name: str) -> None:
    assert cloud_name(name) == name
    assert school_name(name) == name


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("a:b?.txt", "a\uff1ab\uff1f.txt"),
        ("CON", "\uff23ON"),
        ("x ", "x\u2420"),
        ("x.", "x\uff0e"),
        ("a\uff1ab:", "a\u201b\uff1ab\uff1a"),
    ],
)
def test_examples(name: str, there: str) -> None:
    assert cloud_name(name) == there
