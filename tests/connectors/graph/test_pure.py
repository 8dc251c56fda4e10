"""What needs no network: paths, mapping, alternate keys, passwords, budgets, options, and the shape of the sources."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import connectors.graph
from bridge.core.kinds import GROUP as GROUP_KIND
from bridge.core.kinds import USER as USER_KIND
from connectors.graph import Options, directory_url
from connectors.graph.answers import Answer
from connectors.graph.budget import Budget, Cost, Window, cost
from connectors.graph.mapping import GROUP, USER, Names
from connectors.graph.marks import anchor_of, unique_name
from connectors.graph.options import Budgets
from connectors.graph.passwords import Passwords, readable, unseen
from connectors.graph.permissions import BUNDLES, missing
from connectors.sandbox.passwords import check_password
from tests.connectors.graph.kit import DOMAIN, SCHOOL, Wall

SOURCES = sorted(Path(connectors.graph.__file__).parent.glob("*.py"))
MINIMUM = {"tenant_id": "t", "client_id": "c", "client_secret": "env:S", "domains": [DOMAIN]}

# --- the URL that removes a member ----------------------------------------------------------------------------------

ids = st.text(min_size=1).filter(lambda text: text not in {".", ".."})


@given(group=ids, member=ids, relation=st.sampled_from(directory_url.RELATIONS))
def test_removing_a_member_always_names_the_reference(
    group: str, member: str, relation: directory_url.Relation
) -> None:
    path = directory_url.reference(group, relation, member)
    assert path.endswith("/$ref")
    assert [unquote(part) for part in path.split("/")] == ["", "groups", group, relation, member, "$ref"]
    assert not {"?", "#"} & set(path), "nothing can cut the last segment off"


@pytest.mark.parametrize(("group", "member"), [("", "m"), ("g", ""), (".", "m"), ("g", "..")])
def test_no_reference_without_both_ids(group: str, member: str) -> None:
    with pytest.raises(ValueError, match="must name an object"):
        directory_url.reference(group, "members", member)


def strings(path: Path) -> list[str]:
    """All string constants of a module but docstrings, f-strings' pieces included."""
    tree = ast.parse(path.read_text())
    documented = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented
    ]


def test_only_one_module_writes_paths_of_members() -> None:
    guilty = {
        (path.name, text)
        for path in SOURCES
        if path.name != "directory_url.py"
        for text in strings(path)
        if re.search(r"/(members|owners|\$ref)(/|$|\?)|/groups/", text)
    }
    assert guilty <= {("budget.py", "/members"), ("budget.py", "/owners")}, "prices may look at the end of a path"


def test_every_delete_is_of_a_whole_object_or_a_reference() -> None:
    found = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and any(
                isinstance(one, ast.Constant) and one.value == "DELETE" for one in node.args
            ):
                found.add((path.name, ast.unparse(node.args[-1])))
    assert found == {
        ("members.py", "directory_url.reference(job.anchor, relation, key)"),
        ("parking.py", "directory_url.reference(group, 'members', job.anchor)"),
        ("write_groups.py", "path"),
        ("write_users.py", "path"),
    }


def test_no_line_of_the_sandbox_is_used() -> None:
    imported = {
        getattr(node, "module", None) or alias.name
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    ours = {name for name in imported if name.split(".")[0] in {"connectors", "bridge"}}
    allowed = ("connectors.graph", "connectors.expression", "bridge.ports", "bridge.core")
    assert all(name.startswith(allowed) for name in ours), ours


# --- mapping --------------------------------------------------------------------------------------------------------


@given(st.text(min_size=1, max_size=12))
def test_a_groups_alternate_key_is_plain_and_reversible(key: str) -> None:
    try:
        key.encode()
    except UnicodeEncodeError:  # half a surrogate pair is no anchor
        return
    name = unique_name(SCHOOL, key)
    assert re.fullmatch(r"[A-Za-z0-9._-]+", name)
    assert anchor_of(SCHOOL, name) == key


def test_alternate_keys_of_other_schools_are_not_ours() -> None:
    assert anchor_of("lmg", unique_name("lmg2", "x")) is None
    assert anchor_of("lmg", "sb-lmg-") is None
    assert anchor_of("lmg", None) is None
    with pytest.raises(ValueError, match="characters"):
        unique_name("lmg", "x" * 200)


def names(attributes: tuple[str, ...] = (), **more: object) -> Names:
    return Names(Options.model_validate({**MINIMUM, **more}), SCHOOL, attributes)


def test_every_field_of_the_kinds_is_mapped_or_stays_at_the_school() -> None:
    elsewhere = {"source_anchor", "licenses", "members", "owners", "unified", "belongs", "cloud_password_set"}
    for kind, mapped in ((USER_KIND, USER), (GROUP_KIND, GROUP)):
        for column in kind.fields:
            assert (column.where == "school") != (column.name in mapped or column.name in elsewhere), column.name


@given(
    st.fixed_dictionaries(
        {"upn": st.just(f"a@{DOMAIN}"), "display_name": st.text(min_size=1, max_size=64)},
        optional={
            "given_name": st.text(min_size=1, max_size=64),
            "surname": st.text(min_size=1, max_size=64),
            "enabled": st.booleans(),
            "usage_location": st.just("DE"),
            "job_title": st.text(min_size=1, max_size=128),
            "extension_attribute3": st.text(min_size=1, max_size=99),
        },
    )
)
def test_what_goes_out_comes_back(fields: dict[str, str | bool]) -> None:
    mapping = names(("job_title", "extension_attribute3"))
    body = mapping.new_user(fields, key="key", password="p")
    back = mapping.user_fields({**body.properties, "id": "x"}, {})
    assert back == {"enabled": True, **fields, "source_anchor": "key"}


@pytest.mark.parametrize("attribute", ["about_me", "on_premises_immutable_id", "mobile_phone", "password_profile",
                                       "extension_attribute15", "user_type"])  # fmt: skip
def test_attributes_outside_the_list_are_refused(attribute: str) -> None:
    with pytest.raises(ValueError, match=attribute):
        names((attribute,))


def test_an_attribute_may_go_by_another_name() -> None:
    body = names(("klasse",), properties={"klasse": "department"}).user({"klasse": "5a"})
    assert body.properties == {"department": "5a"}


def test_a_user_without_anchor_or_outside_our_domains_is_not_made() -> None:
    good = {"upn": f"a@{DOMAIN}", "display_name": "A"}
    for fields, key in (({**good, "upn": "a@other.example"}, "k"), (good, ""), ({"upn": f"a@{DOMAIN}"}, "k")):
        with pytest.raises(ValueError, match=r"domains|anchor|display_name"):
            names().new_user(fields, key=key, password="p")
    with pytest.raises(ValueError, match="16"):
        names(anchor="employeeId").new_user(good, key="x" * 17, password="p")


# --- options --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"client_secret": None}, "either"),
        ({"certificate": "file:x"}, "either"),
        ({"client_secret": "hunter2"}, "pattern"),
        ({"tenant_id": "common"}, "one tenant"),
        ({"endpoint": "http://graph.example"}, "https"),
        ({"mark": "extensionAttribute15"}, "different"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_options_that_can_not_work_are_refused(more: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Options.model_validate({**MINIMUM, **more})


def test_every_option_is_described() -> None:
    for name, field in Options.model_fields.items():
        assert field.description, name


def test_each_cloud_has_its_own_hosts() -> None:
    urls = {
        cloud: Options.model_validate({**MINIMUM, "cloud": cloud}) for cloud in ("global", "us_l4", "us_l5", "china")
    }
    assert len({found.graph_url for found in urls.values()}) == 4
    assert urls["china"].scope == "https://microsoftgraph.chinacloudapi.cn/.default"
    assert urls["global"].hosts == {"graph.microsoft.com"}


# --- passwords ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", range(12, 30))
def test_readable_passwords(length: int) -> None:
    found = {readable(length) for _ in range(50)}
    assert len(found) == 50
    for password in found:
        assert len(password) == length
        assert not set(password) & set("lI1O0uvwqyx")
        kinds = [re.search(pattern, password) for pattern in ("[a-z]", "[A-Z]", "[0-9]", "-")]
        assert all(kinds)


def test_short_passwords_are_refused_and_none_is_shown() -> None:
    with pytest.raises(ValueError, match="12"):
        readable(11)
    assert unseen() != unseen()


def test_a_password_that_nobody_sees_can_not_hold_a_name_by_chance() -> None:
    for password in (unseen() for _ in range(200)):
        parts = password.split("+")
        assert "".join(parts[:-1]).isascii()
        assert len("".join(parts[:-1])) >= 43, "32 random bytes"
        assert max(len(one) for one in parts) == 3, "names count from four letters on"
        check_password(password, names=["Emma", "aa1!", "eA1"])
    assert "secret" not in repr(Passwords({"a": "secret"}))


# --- permissions ----------------------------------------------------------------------------------------------------


def test_the_roster_bundle_covers_every_need_and_the_read_only_one_every_reading() -> None:
    assert not missing(set(BUNDLES["roster"]), reading_only=False)
    assert not missing(set(BUNDLES["read_only"]), reading_only=True)
    assert "create and change users" in missing(set(BUNDLES["read_only"]), reading_only=False)


# --- answers --------------------------------------------------------------------------------------------------------


def test_codes_of_nested_errors_are_found_in_either_spelling() -> None:
    inner = {"code": "outer", "innererror": {"code": "deep"}}
    answer = Answer(400, {"error": {"code": "top", "details": [{"code": "ObjectConflict"}], "innerError": inner}})
    assert answer.codes == {"top", "ObjectConflict", "outer", "deep"}
    assert answer.taken


def test_the_longer_wait_counts() -> None:
    assert Answer(429, {}, {"retry-after": "3", "ratelimit-reset": "7"}).retry_after == 7
    assert Answer(200, {}, {"ratelimit-reset": "7"}).retry_after is None
    assert Answer(429, {}, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}).retry_after is None


# --- budgets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "units", "writes"),
    [
        ("GET", "/users?$top=5", 2, 0),
        ("GET", "/users/x?$select=id", 1, 0),
        ("GET", "/groups/x/members?$select=id", 2, 0),
        ("GET", "/subscribedSkus", 3, 0),
        ("POST", "/directoryObjects/getByIds", 3, 0),
        ("POST", "/users", 1, 1),
        ("PATCH", "/groups/x", 1, 1),
        ("DELETE", "/users/x", 1, 1),
    ],
)
def test_prices(method: str, path: str, units: int, writes: int) -> None:
    assert cost(method, path) == Cost(units, writes)


@given(st.lists(st.tuples(st.integers(1, 20), st.floats(0, 3), st.floats(0, 3)), max_size=60), st.floats(0.1, 1.0))
async def test_no_window_of_the_service_ever_holds_more_than_our_share(
    spendings: list[tuple[int, float, float]], share: float
) -> None:
    wall = Wall()
    budgets = Budgets(writes=50, writes_window=10, units=10_000, share=share)  # type: ignore[call-arg]
    budget = Budget(budgets, monotonic=wall.now, sleep=wall.sleep)
    counted: list[tuple[float, int]] = []
    for amount, travel, answer in spendings:
        async with budget.spend(Cost(1, amount)):
            wall.at += travel
            counted.append((wall.at, amount))  # the service counts when it arrives
            wall.at += answer
    for start, _ in counted:
        spent = [amount for when, amount in counted if start <= when < start + 10]
        assert sum(spent) <= 50 * share or len(spent) == 1


async def test_a_pause_holds_everything_and_a_warning_slows_down_for_a_while() -> None:
    wall = Wall()
    budget = Budget(Budgets(writes=100, writes_window=10, share=1), monotonic=wall.now, sleep=wall.sleep)  # type: ignore[call-arg]
    budget.pause(30)
    async with budget.spend(Cost(1, 0)):
        assert wall.at == 1030
    budget.warned(0.79)
    assert budget.factor == 1
    budget.warned(0.9)
    slow = budget.factor
    assert slow < 1
    budget.warned(1.8)
    assert budget.factor == slow, "one step per window"
    for _ in range(20):
        wall.at += 10
        async with budget.spend(Cost(1, 0)):
            pass
    assert budget.factor == 1


def test_more_than_the_limit_passes_alone() -> None:
    window = Window(5, 10)
    assert window.wait(20, 0, 1) == 0
    window.pending = 1
    assert window.wait(20, 0, 1) > 0
