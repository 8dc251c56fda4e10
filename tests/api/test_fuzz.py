"""schemathesis asks every address of the document for whatever it can think of: no 500, and only what is documented."""

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.specs.openapi import checks

from bridge.api import limits
from bridge.api.document import document
from tests.api.kit import Served

EXAMPLES = 12


SCHEMA = schemathesis.openapi.from_dict(document())
#: A cursor that was never given out and an ETag that is not the present one fit the document and are refused.
_BESIDE = [checks.positive_data_acceptance]


@SCHEMA.parametrize()
@hypothesis.settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_address(case: schemathesis.Case, api: Served, fuzzing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WRONG", 10**6)
    headers = {"Authorization": f"Bearer {fuzzing}"}
    beside = list(_BESIDE)
    if case.operation.path.endswith("/events"):
        case.query = {**(case.query or {}), "once": "true"}  # or it would never end
        beside.append(checks.negative_data_rejection)
    case.call_and_validate(base_url=f"http://127.0.0.1:{api.port}", headers=headers, excluded_checks=beside)


@pytest.fixture(scope="module")
def fuzzing(api: Served) -> str:
    """A token of everything; the hundreds of wrong ones that are tried besides are all to be told so."""
    return api.token("read", "operate", "approve", "names", "passwords")
