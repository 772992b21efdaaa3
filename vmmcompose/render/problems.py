"""Problems as text: the message, the line, a caret and a hint."""

import unicodedata
from collections.abc import Sequence

from vmmcompose.model.problem import Place, Problem

_WIDTH = 100
"""Columns of a source line that are shown."""
_LEAD = 40
"""Columns kept before the caret where a line is cut."""
_TAB = "    "
_ESCAPED = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories that have no picture, or that turn the direction of what follows."""
_COLORS = {"error": "31", "warning": "33", "note": "36"}


def render_problems(problems: Sequence[Problem], *, color: bool = False) -> str:
    """One block of text for each problem, with an empty line between them; ends without a line break."""
    return "\n\n".join(_render(problem, _Paint(color=color)) for problem in problems)


class _Paint:
    """ANSI colours, or none. Nothing is said by colour alone."""

    def __init__(self, *, color: bool) -> None:
        self._color = color

    def __call__(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._color and text else text


def _render(problem: Problem, paint: _Paint) -> str:
    head = paint(f"{problem.severity}[{_plain(problem.code)}]", f"1;{_COLORS[problem.severity]}")
    lines = [f"{head}{paint(': ' + _plain(problem.message), '1')}"]
    place = problem.place
    if place:
        lines += _snippet(place, paint, _COLORS[problem.severity])
    elif problem.at:
        lines.append(f"{paint('  -->', '34')} {_plain('.'.join(map(str, problem.at)))}")
    if problem.hint:
        lines.append(f"{paint('hint:', '36')} {_plain(problem.hint)}")
    return "\n".join(lines)


def _snippet(place: Place, paint: _Paint, color: str) -> list[str]:
    number = str(place.line)
    gutter = " " * len(number)
    lines = [f"{gutter} {paint('-->', '34')} {_plain(place.file)}:{place.line}:{place.column}"]
    if not place.text:
        return lines
    text, pad, width = _cut(place)
    bar = paint("|", "34")
    return [
        *lines,
        f" {gutter} {bar}",
        f" {paint(number, '34')} {bar} {text}",
        f" {gutter} {bar} {' ' * pad}{paint('^' * width, '1;' + color)}",
    ]


def _cut(place: Place) -> tuple[str, int, int]:
    """The part of the line to show, how far the caret is moved, and how long it is; in terminal columns."""
    start = min(place.column - 1, len(place.text))
    end = max(start + 1, min(place.end_column - 1, len(place.text)))
    first = max(0, start - _LEAD) if len(place.text) > _WIDTH else 0
    last = min(len(place.text), first + _WIDTH)
    before = ("…" if first else "") + _plain(place.text[first:start])
    marked = _plain(place.text[start : min(end, last)])
    after = _plain(place.text[min(end, last) : last]) + ("…" if last < len(place.text) else "")
    return (before + marked + after).rstrip(), _columns(before), max(1, _columns(marked))


def _plain(text: str) -> str:
    """The text with everything escaped that a terminal would obey instead of show."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character == "\t":
        return _TAB
    if unicodedata.category(character) not in _ESCAPED:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _columns(text: str) -> int:
    """How many columns a terminal gives the text."""
    return len(text) if text.isascii() else sum(map(_column, text))


def _column(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
