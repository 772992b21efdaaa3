"""Variables in single texts: what the compose rules leave open, and what must not happen."""

import pytest
from counting import calls_of, grows_steadily
from hypothesis import given
from hypothesis import strategies as st

from vmmcompose.manifest.envfile import read_env_file
from vmmcompose.manifest.interpolate import MAX_LENGTH, interpolate


def result(text: str, **variables: str) -> str:
    found, faults = interpolate(text, variables.get)
    assert faults == []
    return found


def faults_of(text: str, **variables: str) -> list[tuple[str, str]]:
    return [(fault.code, text[fault.start : fault.end]) for fault in interpolate(text, variables.get)[1]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no variable", "no variable"),
        ("${A}${A}", "xx"),
        ("$A.$A_", "x.under"),
        ("${N:-}", ""),
        ("${N:-a b}", "a b"),
        ("${N:-$$}", "$"),
        ("${N:-${M:-${L:-deep}}} end", "deep end"),
        ("${N-$A}${N-}", "x"),
        ("${A:+[${A}]}", "[x]"),
        ("${N:--}", "-"),
        ("${N:-:-}", ":-"),
        ("${N:-a}b}", "ab}"),
        ("a}b", "a}b"),
        ("${A:?x}}", "x}"),
        ("${N:-line\nbreak}", "line\nbreak"),
    ],
)
def test_values(text: str, expected: str) -> None:
    assert result(text, A="x", A_="under") == expected


def test_a_value_is_not_looked_at_again() -> None:
    assert result("$A ${N:-$A}", A="$B ${C} $$") == "$B ${C} $$ $B ${C} $$"


def test_what_is_not_used_is_not_asked_for() -> None:
    asked: list[str] = []

    def get(name: str) -> str | None:
        asked.append(name)
        return "x" if name == "A" else None

    text = "${A:-$B} ${A-${C:?never}} ${A:?$D} ${N:+$E} ${N+${F}}"
    assert interpolate(text, get) == ("x x x  ", [])
    assert asked == ["A", "A", "A", "N", "N"]


def test_every_fault_of_a_text_is_told_and_the_text_is_left_alone() -> None:
    text = "$A ${B} ${C:?}, $5 ${D:=x} $$ ${E:-$F}"
    found, faults = interpolate(text, lambda _name: None)
    assert found == text
    assert [(fault.code, text[fault.start : fault.end]) for fault in faults] == [
        ("unset-variable", "$A"),
        ("unset-variable", "${B}"),
        ("required-variable", "${C:?}"),
        ("dollar", "$"),
        ("interpolation", "${D:=x}"),
        ("unset-variable", "$F"),
    ]


@pytest.mark.parametrize("text", ["${", "${A", "${A:-", "${A:-${B}", "x ${A:-$$ {}"[:-1]])
def test_an_open_brace(text: str) -> None:
    assert faults_of(text, A="x", B="y")[-1] == ("interpolation", text[text.index("${") :])


def test_defaults_without_end_are_refused() -> None:
    assert faults_of("${A:-" * 1000)[-1][0] == "interpolation"


def test_a_short_text_cannot_blow_up() -> None:
    assert faults_of("$A" * 100_000, A="x" * 100_000)[0][0] == "too-large"
    asked = 0

    def get(_name: str) -> str:
        nonlocal asked
        asked += 1
        return "x" * 100_000

    interpolate("$A" * 100_000, get)
    assert asked == MAX_LENGTH // 100_000 + 1
    assert len(result("$A", A="x" * MAX_LENGTH)) == MAX_LENGTH


@pytest.mark.parametrize("part", ["${1}", "${A/x", "$5", "${A:-", "$$", "$A", "}"])
def test_the_work_grows_with_the_text_and_not_faster(part: str) -> None:
    assert grows_steadily(
        lambda times: calls_of(lambda: interpolate(part * times, {"A": "x"}.get)), 500, 4000
    )
    # Where a pattern looked through the rest again and again, this would not end.
    interpolate(part * (1_000_000 // len(part)), {"A": "x"}.get)


@given(st.text())
def test_doubled_dollars_give_any_text(text: str) -> None:
    assert result(text.replace("$", "$$")) == text


@given(st.text(alphabet="${}:-?+AB x/\n"))
def test_nothing_crashes(text: str) -> None:
    found, faults = interpolate(text, {"A": "1"}.get)
    assert found == text or not faults
    assert all(0 <= fault.start < fault.end <= len(text) for fault in faults)


def test_a_file_that_is_no_env_file_is_answered_with_what_one_looks_like() -> None:
    nothing: dict[str, str] = {}
    (binary,) = read_env_file(b"A=\0", "x.env", nothing.get).problems
    (large,) = read_env_file(b"A=" + b"x" * (1 << 20), "x.env", nothing.get).problems
    assert (binary.code, binary.hint) == ("binary", "an env file has lines NAME=value")
    assert (large.code, large.hint) == ("too-large", "keep only the variables that the manifest asks for")
