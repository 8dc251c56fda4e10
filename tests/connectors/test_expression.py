"""The expression language: what it gives, what it refuses, and what it says then."""

from __future__ import annotations

import contextlib
import time
from collections import UserDict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.expression import ExpressionError, compile_expression, translit


class Absent(UserDict[str, str]):
    def __missing__(self, name: str) -> str:
        return ""


NAMES = {
    "attr": Absent(givenName="Jörg Uwe", sn="O'Größl", department="5a", items="x"),
    "school": "GSS",
    "ou": ("A", "B"),
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("attr.sn", "O'Größl"),
        ("attr.absent", ""),
        ("attr.items", "x"),  # no method of the mapping
        ("attr['sn']", "O'Größl"),
        ("school", "GSS"),
        ("true", True),
        ("(attr.givenName ~ '.' ~ attr.sn) | translit", "joerg-uwe.ogroessl"),
        ("(school ~ '-' ~ attr.department) | translit", "gss-5a"),
        ("'pupil' if attr.department else 'staff'", "pupil"),
        ("attr.absent or attr.sn", "O'Größl"),
        ("attr.absent | default('none')", "none"),
        ("attr.department | regex_match('^[0-9]+[a-z]$')", True),
        ("attr.department | regex_match('a')", False),  # from the start
        ("attr.department | regex_replace('[a-z]', '')", "5"),
        ("attr.givenName | split | first", "Jörg"),
        ("attr.givenName | split | last | upper", "UWE"),
        ("ou[0]", "A"),
        ("ou[7]", ""),
        ("ou | join('/')", "A/B"),
        ("'B' in ou and school == 'GSS'", True),
        ("attr.sn | replace('ö', 'o') | lower | trim", "o'großl".replace("ö", "o")),
        ("2 * 3 + 1", 7),
    ],
)
def test_values(text: str, value: Any) -> None:
    assert compile_expression(text, NAMES)(NAMES) == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("shool", r"position 1: unknown name 'shool'; did you mean 'school'\?"),
        ("school ~ atr.sn", r"position 10: unknown name 'atr'; did you mean 'attr'\?"),
        ("attr.sn | uper", r"position 11: unknown filter 'uper'; did you mean 'upper'\?"),
        ("attr.sn ~", "position"),
        ("attr.sn attr.cn", r"position 9: unexpected 'attr'"),
        ("attr.sn }} {{ school", "unexpected '}}'"),
        ("attr.sn.upper()", r"can't be called here. Use a filter"),
        ("range(10)", "can't be called"),
        ("attr.sn is callable", "No test named 'callable'"),
        ("9 ** 9 ** 9", r"\*\* is not allowed"),
    ],
)
def test_refused_when_compiled(text: str, told: str) -> None:
    with pytest.raises(ExpressionError, match=told):
        compile_expression(text, NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "''.__class__",
        "''.__class__.__mro__[1].__subclasses__",
        "(1).__class__",
        "ou.__class__",
        "attr.sn['__class__']",
        "ou | attr('__class__')",
        "ou | map(attribute='__class__')",
        "self",
        "self.__init__",
        "cycler",
        "lipsum.__globals__",
        "namespace",
        "'a' * 1000000000",
        "[1] * 1000000000",
        "'%01000000d' % 1",
        "attr.sn.format(attr)",
        "school | regex_match('(a+)+$')",
        "school | regex_match('(')",
        f"school | regex_match('{'a' * 201}')",
        "school | replace('G', '" + "x" * 900 + "') | replace('x', '" + "y" * 900 + "')",
        "school ~ " * 400 + "school",
    ],
)
def test_nothing_leads_out_or_takes_for_ever(text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(ExpressionError):
        compile_expression(text)(NAMES)
    assert time.perf_counter() - started < 0.5


def test_an_unknown_name_is_told_also_without_a_list_of_names() -> None:
    with pytest.raises(ExpressionError, match=r"unknown name 'shool'; did you mean 'school'\?"):
        compile_expression("shool ~ 'x'")(NAMES)
    with pytest.raises(ExpressionError, match=r"unknown name 'shool'; did you mean 'school'\?"):
        compile_expression("shool")(NAMES)
    with pytest.raises(ExpressionError, match=r"unknown name 'ab'; did you mean 'abc'\?"):
        compile_expression("x.ab ~ ''")({"x": {"abc": 1}})


def test_what_it_reads_is_known() -> None:
    expression = compile_expression("attr.sn ~ attr['givenName'] ~ values.mail | first ~ school")
    assert expression.read_from("attr") == {"sn", "givenName"}
    assert expression.read_from("values") == {"mail"}
    assert expression.read_from("school") == set()
    assert compile_expression("attr.sn").read_from("attr") == {"sn"}


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Jörg Groß", "joerg-gross"),
        ("ÄÖÜẞ", "aeoeuess"),
        ("Łukasz", "lukasz"),
        ("D’Angelo O'Neill", "dangelo-oneill"),
        ("Nguyễn Thị Ánh", "nguyen-thi-anh"),
        ("Lena Marie", "lena-marie"),
        ("Lena-Marie", "lena-marie"),
        ("René", "rene"),
        ("Rene\u0301", "rene"),
        ("Mu\u0308ller", "mueller"),
        ("Şahin Çelik", "sahin-celik"),
        ("Ольга", "olga"),
        ("a_b.c-d", "a_b.c-d"),
        (".a..b.", "a.b"),
        ("Kurs (5a) / 2", "kurs-5a-2"),
        ("", ""),
    ],
)
def test_translit(name: str, plain: str) -> None:
    assert translit(name) == plain


@given(st.text(max_size=60))
def test_translit_gives_what_a_login_may_hold_and_stays_as_it_is(name: str) -> None:
    plain = translit(name)
    assert set(plain) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-_")
    assert ".." not in plain
    assert plain == plain.strip(".-_")
    assert translit(plain) == plain


@given(st.text(alphabet="attr.sn()[]{}|~'\"*%+-0 \\_,", max_size=30))
def test_whatever_is_written_gives_a_value_or_an_expression_error(text: str) -> None:
    with contextlib.suppress(ExpressionError):
        compile_expression(text)(NAMES)


def test_a_plain_name_costs_next_to_nothing() -> None:
    plain, other = compile_expression("attr.sn"), compile_expression("attr.sn ~ ''")

    def cost(expression: Any) -> float:
        started = time.perf_counter()
        for _ in range(2000):
            expression(NAMES)
        return time.perf_counter() - started

    assert min(cost(plain) for _ in range(3)) < min(cost(other) for _ in range(3))
