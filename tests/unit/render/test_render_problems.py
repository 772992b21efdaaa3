"""Problems as text: carets that sit right, and nothing that a terminal would obey."""

import re
import unicodedata

import pytest

from vmmcompose.model.problem import Place, Problem
from vmmcompose.render.problems import render_problems


def rendered(text: str, column: int, end: int, *, line: int = 4) -> list[str]:
    place = Place("vmm.yaml", line, column, end, text)
    return render_problems([Problem("code", "message", place=place)]).split("\n")


def width(text: str) -> int:
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me") else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def under_caret(lines: list[str]) -> str:
    """What stands above the caret, by terminal columns."""
    start, end = lines[-1].index("^"), lines[-1].rindex("^") + 1
    position, found = 0, ""
    for character in lines[-2]:
        if start <= position < end:
            found += character
        position += width(character)
    return found


def test_the_whole_form() -> None:
    place = Place("vmm.yaml", 4, 5, 9, "    vcpu: 2")
    problem = Problem("unknown-key", "VM `web` has no key `vcpu`", hint="did you mean `cpus`?", place=place)
    assert render_problems([problem]) == (
        "error[unknown-key]: VM `web` has no key `vcpu`\n"
        "  --> vmm.yaml:4:5\n"
        "   |\n"
        " 4 |     vcpu: 2\n"
        "   |     ^^^^\n"
        "hint: did you mean `cpus`?"
    )


def test_several_are_apart_and_none_is_nothing() -> None:
    problem = Problem("code", "message")
    assert render_problems([problem, problem]) == "error[code]: message\n\nerror[code]: message"
    assert render_problems([]) == ""


def test_without_a_place_the_manifest_path_is_shown() -> None:
    text = render_problems([Problem("code", "message", ("vms", "web", "ports", 0), severity="warning")])
    assert text == "warning[code]: message\n  --> vms.web.ports.0"


def test_a_place_without_text_has_no_snippet() -> None:
    text = render_problems([Problem("empty", "message", place=Place("vmm.yaml", 1, 1, 1))])
    assert text == "error[empty]: message\n  --> vmm.yaml:1:1"


def test_line_numbers_of_any_length_line_up() -> None:
    lines = rendered("a: b", 4, 5, line=12345)
    assert lines[1:] == ["      --> vmm.yaml:12345:4", "       |", " 12345 | a: b", "       |    ^"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("名前: {cpu: 2}", "cpu"),
        ("\t\tcpu: 2", "cpu"),
        ("a\t{cpu: 2}", "cpu"),
        ("e\u0301\u0301: {cpu: 2}", "cpu"),
        ("\x1b[31m: {cpu: 2}", "cpu"),
        ("\u202e: {cpu: 2}", "cpu"),
        ("\U0001f600: {cpu: 2}", "cpu"),
        ("x" * 500 + " cpu " + "y" * 500, "cpu"),
        ("名" * 500 + " cpu " + "前" * 500, "cpu"),
        ("a: 日本", "日本"),
        ("cpu", "cpu"),
    ],
)
def test_the_caret_sits_under_the_word(text: str, word: str) -> None:
    column = text.index(word) + 1
    assert under_caret(rendered(text, column, column + len(word))) == word


def test_long_lines_are_cut_around_the_caret() -> None:
    lines = rendered("a" * 1000 + "cpu" + "b" * 1000, 1001, 1004)
    assert len(lines[-2]) < 120
    assert lines[-2].count("…") == 2
    lines = rendered("cpu" + "b" * 1000, 1, 2000)
    assert len(lines[-1]) < 120


def test_a_million_characters_are_no_trouble() -> None:
    place = Place("vmm.yaml", 1, 500_001, 500_002, "[" * 1_000_000)
    text = render_problems([Problem("code", "message", place=place)] * 1000)
    assert len(text) < 500 * 1000


@pytest.mark.parametrize("column", [0, 5, 6, 100])
def test_a_caret_beyond_the_line_is_still_one(column: int) -> None:
    assert rendered("abcd", max(column, 1), max(column, 1) + 1)[-1].count("^") == 1


@pytest.mark.parametrize(
    "evil", ["\x1b[2J", "\r", "\x00", "\x9b31m", "\u202e", "\u2028", "\ufeff", "\ud800", "\n"]
)
def test_nothing_reaches_the_terminal_unseen(evil: str) -> None:
    place = Place(f"f{evil}", 1, 1, 2, f"a{evil}b")
    text = render_problems([Problem(f"c{evil}", f"m{evil}", (), f"h{evil}", place=place)])
    assert evil not in text.replace("\n", "") if evil != "\n" else text.count("\n") == 5
    assert "\\" in text
    text.encode()


def test_colour_changes_nothing_but_colour() -> None:
    place = Place("vmm.yaml", 4, 5, 9, "    vcpu: 2")
    problems = [
        Problem("code", "message", hint="hint", severity=s, place=place) for s in ("error", "warning", "note")
    ]
    plain, colored = render_problems(problems), render_problems(problems, color=True)
    assert "\x1b" not in plain
    assert colored != plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain
