"""S10: a signed report is believed as it was written, or not at all; who re-signs it is told by the fingerprint."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.daemon.signing import Signer, checked, fingerprint, written
from bridge.ports import ConfigurationError

REPORT = {
    "format": "schoolbridge-completion/1", "school": "0123", "name": "Gymnasium am Ölberg", "numbers": {"file": 12},
    "gates": [{"gate": "clock", "holds": True, "age": 1.5, "by": None}], "text": "a\"b\\c\u001f\u00ad",
}  # fmt: skip


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer.of(tmp_path / "verify.key")


@pytest.fixture
def file(tmp_path: Path, signer: Signer) -> Path:
    path = tmp_path / "report.json"
    path.write_bytes(written(signer.sign(REPORT)))
    return path


def test_what_was_signed_is_read_back(file: Path, signer: Signer) -> None:
    assert checked(file) == (REPORT, signer.fingerprint)


def test_every_single_bit_of_the_file_counts(file: Path, signer: Signer) -> None:
    """All of them: content, blanks, signature and key. Nothing passes, and no bit leads to another error."""
    whole = file.read_bytes()
    believed = []
    for place in range(len(whole) * 8):
        changed = bytearray(whole)
        changed[place // 8] ^= 1 << place % 8
        file.write_bytes(changed)
        try:
            checked(file)
        except ConfigurationError:
            continue
        believed.append((place, bytes(changed[place // 8 - 9 : place // 8 + 9])))
    assert believed == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4),
    max_leaves=15,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), json_values, min_size=1), st.data())
def test_any_report_holds_until_a_bit_is_flipped(
    file: Path, signer: Signer, report: dict[str, Any], data: st.DataObject
) -> None:
    whole = written(signer.sign(report))
    file.write_bytes(whole)
    assert checked(file) == (report, signer.fingerprint)
    place = data.draw(st.integers(0, len(whole) * 8 - 1))
    changed = bytearray(whole)
    changed[place // 8] ^= 1 << place % 8
    file.write_bytes(changed)
    with pytest.raises(ConfigurationError):
        checked(file)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_rubbish_is_no_report_and_no_crash(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigurationError):
        checked(file)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"report": 1, "signature": {"key": 5}}',
        b'{"report": {}, "signature": {"key": "AA==", "value": "AA=="}}',
        b"\xff\xfe",
        b"null",
    ],
    ids=["deep", "numbers", "short key", "no text", "null"],
)
def test_hostile_files_are_refused_in_words(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="no signed report"):
        checked(file)


def test_a_second_report_under_the_same_name_is_not_overlooked(file: Path, signer: Signer) -> None:
    """Python takes the last of two equal names, other readers the first: both would call this file signed."""
    text = file.read_text()
    file.write_text(text.replace('{\n "report"', '{\n "report": {"school": "9999"},\n "report"', 1))
    with pytest.raises(ConfigurationError, match="not as it was written"):
        checked(file)


def test_something_beside_the_signed_part_is_not_overlooked(file: Path) -> None:
    tree = json.loads(file.read_text())
    file.write_bytes(written({**tree, "note": "all is well"}))
    with pytest.raises(ConfigurationError, match="not as it was written"):
        checked(file)


def test_another_algorithm_is_not_overlooked(file: Path) -> None:
    tree = json.loads(file.read_text())
    tree["signature"]["algorithm"] = "none"
    file.write_bytes(written(tree))
    with pytest.raises(ConfigurationError, match="not as it was written"):
        checked(file)


def test_a_report_signed_anew_by_another_key_shows_another_fingerprint(file: Path, signer: Signer) -> None:
    forger = Signer(Ed25519PrivateKey.generate())
    file.write_bytes(written(forger.sign({**REPORT, "numbers": {"file": 13}})))
    report, by = checked(file)
    assert report["numbers"] == {"file": 13}
    assert by == forger.fingerprint != signer.fingerprint


def test_the_key_of_another_cannot_be_put_over_a_signature(file: Path, signer: Signer) -> None:
    tree = json.loads(file.read_text())
    tree["signature"]["key"] = base64.b64encode(Signer(Ed25519PrivateKey.generate()).public).decode()
    file.write_bytes(written(tree))
    with pytest.raises(ConfigurationError, match="changed after it was signed"):
        checked(file)


def test_a_fingerprint_is_the_same_everywhere() -> None:
    assert fingerprint(bytes(32)) == "6668:7aad:f862:bd77:6c8f:c18b:8e9f:8e20"
