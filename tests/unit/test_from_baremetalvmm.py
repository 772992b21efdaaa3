"""The page for users of baremetalvmm keeps its promises: every point is there, and every test that it names."""

import ast
import re
from functools import cache
from pathlib import Path

from vmmcompose.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "from-baremetalvmm.md").read_text()
POINTS = re.split(r"^(\d+)\. ", PAGE.split("## What went wrong there")[1], flags=re.MULTILINE)[1:]
"""Number, text, number, text, ..."""


@cache
def functions_in(path: str) -> frozenset[str]:
    """The test functions of a file."""
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_all_twenty_five_points_are_there_with_a_test_each() -> None:
    assert [int(number) for number in POINTS[::2]] == list(range(1, 26))
    for number, text in zip(POINTS[::2], POINTS[1::2], strict=True):
        assert re.search(r"`tests/\S+\.py::test_\w+`", text), f"point {number} names no test"


def test_every_named_test_exists() -> None:
    named = re.findall(r"`(tests/\S+?\.py)::(\w+)`", PAGE)
    assert len(named) > 25
    assert [f"{path}::{name}" for path, name in named if name not in functions_in(path)] == []


def test_the_old_commands_are_commands_here() -> None:
    old = (
        "create start stop delete list ssh port-forward mount image kernel config autostart console snapshot"
    )
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    for command in old.split():
        assert command in COMMANDS
        assert any(command in row.split("|")[1].replace("`", "").split() for row in rows), command


def test_drivers_are_started_from_one_place() -> None:
    """Two ways to start a VM become two kinds of VM."""
    starts = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "vmmcompose").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "start"
        and [ast.unparse(argument) for argument in node.args] == ["launch"]
    ]
    assert starts == ["vmmcompose/apply/guests.py"]
