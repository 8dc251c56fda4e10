"""The configuration: all problems at once, each where it stands, with what would be right; and no secret repeated."""

import os
import textwrap
from datetime import time, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.core.cutover import Stage
from bridge.core.kinds import Authority, Shape
from bridge.core.model import Side
from bridge.core.policy import Tally, Threshold
from bridge.daemon.catalog import Catalog
from bridge.ports import ConfigurationError
from bridge.settings import School, Settings, SettingsError, load, resolve, shown
from bridge.settings.secrets import is_secret_name, masked
from bridge.settings.source import MAX_NODES, read
from bridge.settings.words import duration, in_words

BRIDGE = "version: 1\nstate: {url: sqlite:///state.db}\nruntime: run\n"
SCHOOL = """\
version: 1
school: "0123"
name: Gymnasium
school_side: {connector: memory}
cloud_side: {connector: memory}
naming: {domain: school.example}
"""
CANARY = "hunter2-canary"


def write(folder: Path, bridge: str = BRIDGE, **schools: str) -> Path:
    (folder / "schools").mkdir(exist_ok=True)
    for old in (folder / "schools").iterdir():
        old.unlink()
    for name, text in (schools or {"a": SCHOOL}).items():
        (folder / "schools" / f"{name}.yaml").write_text(textwrap.dedent(text), encoding="utf-8")
    path = folder / "bridge.yaml"
    path.write_text(textwrap.dedent(bridge), encoding="utf-8")
    return path


def loaded(folder: Path, bridge: str = BRIDGE, **schools: str) -> Settings:
    return load(write(folder, bridge, **schools), Catalog())


def problems(folder: Path, bridge: str = BRIDGE, **schools: str) -> list[str]:
    """The problems' lines, without the folder."""
    with pytest.raises(SettingsError) as caught:
        loaded(folder, bridge, **schools)
    return [str(one).replace(f"{folder}/", "") for one in caught.value.problems]


def test_a_small_configuration_with_all_defaults(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    (school,) = found.schools
    assert (school.code, school.initial_stage, school.language) == ("0123", Stage.OBSERVING, "en")
    assert (school.timetable.cloud_poll, school.timetable.full_compare) == (timedelta(minutes=5), time(2, 30))
    assert days(school, "user", "pupil") == [0, 30, 30]
    assert days(school, "user", "teacher") == [0, 60, 30]
    assert days(school, "group", "*") == [30, 30]
    assert found.state_url == f"sqlite:///{tmp_path}/state.db"
    assert found.runtime == tmp_path / "run"
    policy = school.policy(Stage.HYBRID)
    assert policy.threshold(Side.CLOUD, "user", "pupil", Tally.DELETE) == Threshold(10, 5)


def test_a_school_says_otherwise_than_the_defaults(tmp_path: Path) -> None:
    bridge = (
        BRIDGE
        + """\
defaults:
  leavers: {pupil: 10 days, teacher: 11 days}
  schedule: {cloud_poll: 30s}
  guard:
    window: 2 hours
    thresholds: [{tally: delete, kind: user, count: 1}, {tally: rename, unlimited: true}]
"""
    )
    school = (
        SCHOOL
        + """\
language: de
leavers: {pupil: 3 weeks}
guard: {thresholds: [{tally: delete, kind: user, count: 7, percent: 1.5}]}
authority: {user: {display_name: cloud}}
attributes:
  user:
    department: {from: attr.department, purpose: class lists, authority: both}
    phones: {from: attr.phone, purpose: phone list, shape: texts}
"""
    )
    (one,) = loaded(tmp_path, bridge, a=school).schools
    policy = one.policy(Stage.HYBRID)
    assert policy.threshold(Side.CLOUD, "user", "pupil", Tally.DELETE) == Threshold(7, 1.5)
    assert policy.threshold(Side.CLOUD, "group", "", Tally.RENAME).limit(10) is None
    assert policy.window == timedelta(hours=2)
    assert (days(one, "user", "pupil"), days(one, "user", "teacher")) == ([0, 21, 30], [0, 11, 30])
    assert (one.timetable.cloud_poll, one.language) == (timedelta(seconds=30), "de")
    user = one.kinds()["user"]
    assert (user.field("department").authority, user.field("phones").shape) == (Authority.BOTH, Shape.TEXTS)
    assert policy.owner(user, user.field("display_name")) is Authority.CLOUD


def test_each_step_of_a_leaver_has_a_period_and_the_school_says_only_what_differs(tmp_path: Path) -> None:
    bridge = BRIDGE + "defaults:\n  leavers: {pupil: {disable: 5d, purge: 90d}, group: {purge: 10d}}\n"
    (one,) = loaded(tmp_path, bridge, a=SCHOOL + "leavers: {pupil: {retire: 1 week}}\n").schools
    assert days(one, "user", "pupil") == [5, 7, 90]
    assert days(one, "group", "*") == [30, 10]


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ("{pupil: 30}", "the unit is missing"),
        ("{pupil: {retire: soon}}", "not a duration"),
        ("{pupil: {remove: 3d}}", "unknown key"),
        ("{group: {disable: 3d}}", "can't be disabled"),
    ],
)
def test_a_wrong_period_is_named_where_it_stands(tmp_path: Path, said: str, wrong: str) -> None:
    found = problems(tmp_path, a=SCHOOL + f"leavers: {said}\n")
    assert len(found) == 1
    assert wrong in found[0]
    assert found[0].startswith("schools/a.yaml:")


def days(school: School, kind: str, role: str) -> list[int]:
    """The periods of the steps, in days."""
    return [one.days for one in school.periods[kind, role]]


def test_all_problems_at_once_sorted_and_with_their_places(tmp_path: Path) -> None:
    bridge = """\
    version: 1
    langauge: de
    logging: {level: debgu}
    runtime: 5
    state: {url: sqlite:///a}
    state: x
    """
    school = """\
    version: 1
    school: 0123
    name: NO
    school_side: {connector: memroy}
    cloud_side:
      connector: memory
      chunk: none
    naming: {}
    schedule: {full_compare: 12:30, cloud_poll: 5}
    """
    sixty = "12:30 without quotes is a number to base 60 for many programs"
    assert problems(tmp_path, bridge, a=school) == [
        "bridge.yaml:2:1: langauge: unknown key; did you mean language?",
        'bridge.yaml:3:18: logging.level: found "debgu"; did you mean debug?',
        'bridge.yaml:4:10: runtime: 5 without quotes is read as the number 5; quote it: "5"',
        "bridge.yaml:6:1: state: the key is there twice; keep one of them, the first is in line 5",
        'schools/a.yaml:2:9: school: 0123 without quotes is read as the number 123; quote it: "0123"',
        'schools/a.yaml:3:7: name: NO without quotes means false to many programs; quote it: "NO", or write false',
        'schools/a.yaml:4:26: school_side.connector: no connector is called "memroy"; did you mean memory?',
        'schools/a.yaml:7:10: cloud_side.chunk: found "none"; write a whole number',
        "schools/a.yaml:8:1: naming.domain: is missing; add it",
        f'schools/a.yaml:9:26: schedule.full_compare: {sixty}; quote it: "12:30"',
        'schools/a.yaml:9:45: schedule.cloud_poll: the unit is missing; say which: "5s", "5 minutes" or "5 days"',
    ]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("0123", 'read as the number 123; quote it: "0123"'),
        ("007_1", "read as the number 71"),
        ("NO", 'quote it: "NO"'),
        ("yes", 'quote it: "yes", or write true'),
        ("off", "means false"),
        ("1:30", 'base 60 for many programs; quote it: "1:30"'),
        ("1e5", 'read as the number 100000; quote it: "1e5"'),
        ("12e03", "read as the number 12000"),
        ("2026-08-01", 'read as a date; quote it: "2026-08-01"'),
        ("null", 'read as nothing (null); quote it: "null"'),
        ("~", "read as nothing (null)"),
        ("true", "read as true"),
        ("42", "read as the number 42"),
        ("0x1F", "read as the number 31"),
        ("1.50", "read as the number 1.5"),
        (".inf", "no number that can be used"),
        ("9" * 5000, "no number that can be used"),
        ("!!python/object:os.system x", "YAML tags are not used here"),
        ("!secret x", "YAML tags are not used here"),
        ("", "has no value; write text"),
    ],
)
def test_unquoted_traps_are_named_at_their_place(tmp_path: Path, written: str, said: str) -> None:
    (line,) = problems(tmp_path, a=SCHOOL.replace("name: Gymnasium", f"name: {written}"))
    assert line.startswith("schools/a.yaml:3:")
    assert said in line


@pytest.mark.parametrize(
    "quoted", ['"0123"', "'NO'", '"1:30"', '"1e5"', '"2026-08-01"', '"null"', "Straße 5", "!!str 0123"]
)
def test_quoted_texts_are_texts(tmp_path: Path, quoted: str) -> None:
    (school,) = loaded(tmp_path, a=SCHOOL.replace("name: Gymnasium", f"name: {quoted}")).schools
    assert school.name == quoted.removeprefix("!!str ").strip("'\"")


@pytest.mark.parametrize(
    "line",
    [
        f"password: {CANARY}",
        f"client_secret: {CANARY}",
        f"clientSecret: '{CANARY}'",
        f"private_key: {{pem: {CANARY}}}",
        f"api-key: [{CANARY}]",
        f"password: credential:x {CANARY}",
        f"name: |\n    -----BEGIN RSA PRIVATE KEY-----\n    {CANARY}",
        f"pasword: {CANARY}",
        f"password: *{CANARY}",
        f"password: !{CANARY} x",
        f'password: "{CANARY}',
        f"password: &{CANARY} a\n  token: *{CANARY}x",
        f"password: @{CANARY}",
        f"path: [ldaps://user:{CANARY}@dc]",
    ],
)
def test_secrets_in_the_file_are_refused_and_never_repeated(tmp_path: Path, line: str) -> None:
    school = SCHOOL.replace("school_side: {connector: memory}", f"school_side:\n  connector: memory\n  {line}")
    said = problems(tmp_path, a=school)
    assert said
    assert CANARY not in "\n".join(said)


def test_a_password_in_the_state_url_is_refused_and_not_repeated(tmp_path: Path) -> None:
    for url in (f"postgresql://u:{CANARY}@h/d", f"postgres://u:{CANARY}@h/d", f"postgresql://h/d?password={CANARY}"):
        (line,) = problems(tmp_path, f'version: 1\nstate: {{url: "{url}"}}\n')
        assert line.startswith("bridge.yaml:2:14: state.url:")
        assert CANARY not in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "the file is empty"),
        (b"# only a comment\n", "the file is empty"),
        (b"- a\n", "not a mapping"),
        (b"just text", "not a mapping"),
        (b"a: [1, 2\nb: 3\n", "not YAML"),
        (b"a: 1\n b: 2\n", "not YAML"),
        (b"version: 1\n---\nversion: 2\n", "not YAML"),
        (b"a: \xff\xfe\n", "not UTF-8"),
        (b"a: \x00\n", "control character"),
        (b"[" * 5000, "nested too deeply"),
        (b"a: &a [*a]\n", "nested too deeply"),
        (b"? [a, b]\n: c\n", "a key that is not text"),
        (b"<<: {a: 1}\n", "merge keys"),
        (b"a: " + b"x" * (1 << 20), "larger than 1 MiB"),
    ],
)
def test_files_that_are_no_configuration(tmp_path: Path, text: bytes, said: str) -> None:
    path = tmp_path / "bridge.yaml"
    path.write_bytes(text)
    with pytest.raises(SettingsError) as caught:
        load(path, Catalog())
    assert said in str(caught.value)


def test_an_alias_bomb_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "bomb.yaml"
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    path.write_text("\n".join(lines))
    source = read(path)
    assert any(f"more than {MAX_NODES} values" in str(one) for one in source.problems)


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system", "!!python/name:os.system", "!!binary", "!ruby/object:Gem", "!include"]
)
def test_a_tag_makes_no_object_and_does_nothing(tmp_path: Path, tag: str) -> None:
    """S13: what is behind a tag stays the text that it is."""
    path, proof = tmp_path / "tagged.yaml", tmp_path / "proof"
    for value in (f'"touch {proof}"', f"[touch {proof}]"):
        path.write_text(f"version: {tag} {value}\nname: {tag} {value}\n")
        source = read(path)
        assert isinstance(source.tree["name"] if source.readable else "", str | list)
        with pytest.raises(SettingsError):
            load(path, Catalog())
    assert not proof.exists()


def test_missing_unreadable_and_empty_places(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        load(tmp_path / "none.yaml", Catalog())
    with pytest.raises(SettingsError, match="is a directory"):
        load(tmp_path, Catalog())
    path = write(tmp_path)
    (tmp_path / "schools" / "a.yaml").rename(tmp_path / "schools" / "a.yml")
    with pytest.raises(SettingsError) as caught:
        load(path, Catalog())
    assert "rename it to a.yaml" in str(caught.value)
    assert "no school's file" in str(caught.value)
    (tmp_path / "schools" / "a.yml").unlink()
    (tmp_path / "schools").rmdir()
    with pytest.raises(SettingsError, match="can't be read"):
        load(path, Catalog())


def test_names_must_end_in_a_domain_of_the_cloud(tmp_path: Path) -> None:
    cloud = 'cloud_side: {connector: graph, tenant_id: t, client_id: c, client_secret: "env:X", domains: [a.example]}'
    (line,) = problems(tmp_path, a=SCHOOL.replace("cloud_side: {connector: memory}", cloud))
    assert line == (
        "schools/a.yaml:6:18: naming.domain: school.example is not among the cloud's domains (a.example); "
        "use one of them, or add it to cloud_side.domains"
    )


def test_a_wrong_expression_is_told_whole_although_it_contains_the_signs_that_part_messages(tmp_path: Path) -> None:
    side = """{connector: active_directory, servers: [ldaps://dc1], account: a@b, password: "env:AD",
      scope: {ous: [OU=A]}, roles: [{role: pupil, when: "attr.sn|trim | uper or '; '"}]}"""
    all_said = problems(tmp_path, a=SCHOOL.replace("{connector: memory}", side, 1))
    said = "\n".join(all_said)
    assert "school_side.roles[0].when: expression " in said
    assert "attr.sn|trim | uper or '; '" in said
    assert "unknown filter 'uper'" in said
    assert "did you mean 'upper'" in said


def test_one_school_in_two_files(tmp_path: Path) -> None:
    (line,) = problems(tmp_path, a=SCHOOL.replace("0123", "ab"), b=SCHOOL.replace("0123", "AB"))
    assert line.startswith("schools/b.yaml:2:9: school:")
    assert "a.yaml already" in line


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("2 hours", 7200), ("1.5 h", 5400), ("10 days", 864000), ("1 week", 604800), ("0s", 0)],
)
def test_durations_in_words(text: str, seconds: int) -> None:
    assert duration(text).total_seconds() == seconds
    assert duration(in_words(duration(text))) == duration(text)


@pytest.mark.parametrize("text", ["", "5", "s", "5 fortnights", "-5s", "5 s x", "99999 weeks", 5, None, True, []])
def test_no_durations(text: object) -> None:
    with pytest.raises(ValueError, match=r"\|"):
        duration(text)


def test_secret_names() -> None:
    yes = ["password", "client_secret", "clientSecret", "private_key", "apiKey", "PASSWORD", "passwords", "dbpassword"]
    no = ["passwords_are", "keyboard", "keytab", "monkey", "secretary", "key_length", "account", "password_length"]
    assert [name for name in yes if not is_secret_name(name)] == []
    assert [name for name in no if is_secret_name(name)] == []


def test_references_are_resolved_and_guarded(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text(f"{CANARY}\n")
    assert resolve(f"file:{secret}") == CANARY.encode()
    assert resolve("credential:secret", environ={"CREDENTIALS_DIRECTORY": str(tmp_path)}) == CANARY.encode()
    assert resolve("env:X", environ={"X": CANARY}) == CANARY.encode()
    for mode in (0o640, 0o604, 0o660):
        secret.chmod(mode)
        with pytest.raises(ConfigurationError, match="chmod 600") as caught:
            resolve(f"file:{secret}")
        assert CANARY not in str(caught.value)
    empty = tmp_path / "empty"
    os.close(os.open(empty, os.O_CREAT | os.O_WRONLY, 0o600))
    for reference in (f"file:{empty}", "file:/nowhere", "env:NOT_SET_X", "credential:x", "credential:../x", CANARY):
        with pytest.raises(ConfigurationError) as caught:
            resolve(reference, environ={})
        assert CANARY not in str(caught.value)


def test_the_effective_configuration_shows_references_and_no_secret(tmp_path: Path) -> None:
    found = loaded(tmp_path, 'version: 1\nstate: {url: "postgresql://u@h/d", password: "env:DB"}\n')
    tree = shown(found)
    assert tree["bridge"]["state"] == {"url": "postgresql://u@h/d", "password": "env:DB", "lease_seconds": 15.0}
    assert tree["schools"][0]["leavers"]["user.pupil"] == {"disable": "0s", "retire": "30 days", "purge": "30 days"}
    assert masked({"password": CANARY, "a": [{"client_secret": CANARY, "token": ["x"]}]}) == {
        "password": "********",
        "a": [{"client_secret": "********", "token": ["********"]}],
    }


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.sampled_from(["0123", "NO", "1:30", "1e5", "&a", "*a", "!x y", "<<", "- -", "? :", "%YAML 1.1", "{", "[", "'"]),
)  # fmt: skip
KEYS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["version", "state", "url", "schools", "school", "name", "school_side", "cloud_side", "connector",
                     "attributes", "user", "from", "guard", "thresholds", "tally", "leavers", "schedule", "naming",
                     "domain", "password", "defaults", "authority", "initial_stage"]),
)  # fmt: skip
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=15
)


def as_yaml(tree: object, indent: int = 0) -> str:
    """Careless YAML: nothing is quoted, so that everything can be met."""
    pad = "  " * indent
    if isinstance(tree, dict):
        return "".join(f"\n{pad}{key}: {as_yaml(value, indent + 1)}" for key, value in tree.items())
    if isinstance(tree, list):
        return "".join(f"\n{pad}- {as_yaml(value, indent + 1)}" for value in tree)
    return str(tree)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bridge=TREES, school=TREES)
def test_whatever_is_written_there_is_no_traceback(tmp_path: Path, bridge: object, school: object) -> None:
    path = write(tmp_path)
    path.write_text("version: 1\n" + as_yaml(bridge), encoding="utf-8", errors="replace")
    (tmp_path / "schools" / "a.yaml").write_text(as_yaml(school), encoding="utf-8", errors="replace")
    (tmp_path / "schools" / "b.yaml").write_text(SCHOOL + as_yaml(school), encoding="utf-8", errors="replace")
    with pytest.raises(SettingsError) as caught:
        load(path, Catalog())
    for problem in caught.value.problems:
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.wrong
        assert problem.right
        assert "\n" not in str(problem)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.binary(max_size=200) | st.text(alphabet="a:-?{}[]&*!|>'\"%@`#,\n \t0<\\xuU", max_size=80).map(str.encode)
)
def test_whatever_bytes_are_there_is_no_traceback(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "bytes.yaml"
    path.write_bytes(text)
    source = read(path)
    assert source.readable or source.problems
