"""What PyYAML says about a broken file, in words that help whoever typed it."""

import re
from typing import NamedTuple

from yaml import MarkedYAMLError

from vmmcompose.manifest.nodes import File
from vmmcompose.model.problem import Problem


class _Advice(NamedTuple):
    seen: str
    """Part of what the parser says; libyaml and PyYAML's own parser word it differently."""
    message: str
    hint: str
    at_start: bool = False
    """Whether the fault is where the construct began, not where the parser gave up."""


_INDENT = "this line does not fit the indentation around it"
_LINE_UP = "line it up with its neighbours, with spaces"
_CLOSE = "close it, or put a `,` between its entries"
_ADVICE = (
    _Advice("expected ',' or ']'", "this `[` is not closed", _CLOSE, at_start=True),
    _Advice("expected ',' or '}'", "this `{` is not closed", _CLOSE, at_start=True),
    _Advice(
        "unexpected end of stream",
        "this string is not closed",
        "put the missing quote at its end",
        at_start=True,
    ),
    _Advice(
        "unexpected document separator",
        "this string is not closed",
        "put the missing quote at its end",
        at_start=True,
    ),
    _Advice(
        "mapping values are not allowed",
        "a `:` cannot stand here",
        "a value with `: ` in it needs quotes; a key needs its own line",
    ),
    _Advice(
        "expected ':'",
        "this key has no `:`",
        "write `key: value`, with a space behind the colon",
        at_start=True,
    ),
    _Advice("expected key", _INDENT, _LINE_UP),
    _Advice("expected '-' indicator", _INDENT, _LINE_UP),
    _Advice("expected <block end>", _INDENT, _LINE_UP),
    _Advice("sequence entries are not allowed", "a list cannot begin here", "begin it on a line of its own"),
    _Advice("node content", "a value is missing here", "close what is open, or write the value"),
    _Advice(
        "<document start>",
        "this does not belong to what stands before it",
        "is a space missing behind a `:`?",
    ),
    _Advice(
        "escape",
        "there is no such escape in a double-quoted string",
        r"write `\\` for a backslash, or use single quotes",
    ),
    _Advice("tag handle", "the manifest uses a tag that it does not define", "a manifest needs no tags"),
    _Advice("incompatible YAML", "this version of YAML is not known", "leave the `%YAML` line out"),
    _Advice("found a tab character", "a tab cannot indent YAML", "indent with spaces"),
)
_IN_BRACES = re.compile(r"\$\{[A-Za-z_][^{}]*\}")
_TAB = ("a tab cannot indent YAML", "indent with spaces")


def syntax_problem(error: MarkedYAMLError, file: File) -> Problem:
    """The problem that a parser's error stands for."""
    said = error.problem or "it breaks off"
    mark = error.problem_mark or error.context_mark
    message, hint = f"this is not YAML: {said}", ""
    advice = next((advice for advice in _ADVICE if advice.seen in said), None)
    if advice:
        message, hint = advice.message, advice.hint
        if advice.at_start and error.context_mark:
            mark = error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    lines = file.lines
    line = min(line, len(lines) - 1)
    variable = _IN_BRACES.search(lines[line])
    if advice and advice.hint == _CLOSE and variable:
        hint = f'inside `{{ }}` and `[ ]` a variable needs quotes: `"{variable[0]}"`'
    if "cannot start any token" in said:
        message, hint = _stray(lines[line][column : column + 1])
    elif "mapping values are" in said and ":" not in lines[line][:column]:
        hint = "check the indentation, and that the line above has a space behind its `:`"
    elif (
        advice
        and advice.message == _INDENT
        and "\t" in lines[line][: len(lines[line]) - len(lines[line].lstrip())]
    ):
        message, hint = _TAB
    return Problem("yaml-syntax", message, hint=hint, place=file.place((line, column, line, column + 1)))


def _stray(character: str) -> tuple[str, str]:
    if character == "\t":
        return _TAB
    return f"a value cannot begin with `{character}`", "put it in quotes"
