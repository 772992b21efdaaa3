"""`.env` files: `NAME=value` lines as compose reads them.

https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/ has the rules: comments,
`export`, single quotes that take everything as it is, double quotes with escapes, variables in both other kinds.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from vmmcompose.manifest.interpolate import BrokenValueError, interpolate
from vmmcompose.manifest.nodes import File
from vmmcompose.manifest.report import quoted
from vmmcompose.manifest.spots import spot
from vmmcompose.manifest.text import read_text
from vmmcompose.model.problem import Problem

_SPACE = re.compile(r"[ \t\v\f]*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_EXPORT = re.compile(r"export[ \t]+(?=[A-Za-z_])")
_SEPARATOR = re.compile(r"[ \t]*[=:][ \t]*")
_COMMENT = re.compile(r"[ \t]+#.*|[ \t]+$")
_REST = re.compile(r"[ \t]*(#.*)?$")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\", '"': '"', "'": "'", "$": "$$", "\n": ""}


@dataclass(slots=True)
class EnvValue:
    """One value, or what is wrong with the variables in it."""

    value: str
    broken: bool = False
    problems: list[Problem] = field(default_factory=list)
    """Not told yet: nobody needed the value."""

    def needed(self) -> str:
        """The value.

        Raises:
            BrokenValueError: there is none; its problems are told now.
        """
        self.problems.clear()
        if self.broken:
            raise BrokenValueError
        return self.value


@dataclass(slots=True)
class EnvFile:
    """An env file as read. `problems` are mistakes in its form."""

    values: dict[str, EnvValue] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def read_env_file(data: bytes, filename: str, get: Callable[[str], str | None]) -> EnvFile:
    """Reads an env file. `get` knows the variables that its values may name beside those above them."""
    text = read_text(data, filename, what="the env file")
    if isinstance(text, Problem):
        return EnvFile(problems=[text])
    return _Reading(File(filename, text), get).run()


@dataclass(slots=True)
class _Reading:
    file: File
    get: Callable[[str], str | None]
    result: EnvFile = field(default_factory=EnvFile)
    number: int = 0
    _above: list[Problem] = field(default_factory=list)
    """Problems of the values that the present one names."""

    def run(self) -> EnvFile:
        lines = self.file.lines
        while self.number < len(lines):
            self._line(lines[self.number])
            self.number += 1
        return self.result

    def _line(self, line: str) -> None:
        start = _end(_SPACE, line, 0)
        if start == len(line) or line[start] == "#":
            return
        start = _end(_EXPORT, line, start)
        name = _NAME.match(line, start)
        if not name:
            self._note(
                f"{quoted(line[start:])} does not begin with a variable's name", "write NAME=value", start
            )
            return
        separator = _SEPARATOR.match(line, name.end())
        if separator:
            self._value(name[0], line, separator.end())
        elif not _REST.match(line, name.end()):
            self._note(f"there is no `=` behind {quoted(name[0])}", "write NAME=value", name.end())

    def _value(self, name: str, line: str, start: int) -> None:
        first = self.number
        if line[start : start + 1] in ("'", '"'):
            raw, rest = self._quoted(line, start)
            if raw is None:
                return
            if not _REST.match(self.file.lines[self.number], rest):
                self._note("something stands behind the closing quote", "only a `# comment` can", rest)
                return
            if line[start] == "'":
                self.result.values[name] = EnvValue(raw.replace("\\'", "'"))
                return
            raw = _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[0]), raw)
        else:
            raw = _COMMENT.sub("", line[start:], count=1) if not line[start:].startswith("#") else ""
        if "$" not in raw:
            self.result.values[name] = EnvValue(raw)
            return
        self._vary(name, raw, (first, start))

    def _vary(self, name: str, raw: str, at: tuple[int, int]) -> None:
        text, faults = interpolate(raw, self._variable)
        span = (*at, self.number, len(self.file.lines[self.number].rstrip()))
        problems = self._above
        problems += [
            Problem(
                fault.code,
                fault.message,
                hint=fault.hint,
                place=spot(self.file, span, raw, (fault.start, fault.end)),
            )
            for fault in faults
            if fault.code
        ]
        self._above = []
        self.result.values[name] = EnvValue(text, bool(faults), problems)

    def _variable(self, name: str) -> str | None:
        value = self.get(name)
        if value is not None:
            return value
        above = self.result.values.get(name)
        if above is None:
            return None
        self._above += above.problems
        if above.broken:
            raise BrokenValueError
        return above.value

    def _quoted(self, line: str, start: int) -> tuple[str | None, int]:
        """What stands between the quotes, over several lines, and where the last of them goes on."""
        quote, parts, position = line[start], list[str](), start + 1
        first, lines = self.number, self.file.lines
        while True:
            found = re.compile(rf"(?:[^\\{quote}]|\\.)*").match(line, position)
            end = found.end() if found else position
            if line[end : end + 1] == quote:
                parts.append(line[position:end])
                return "\n".join(parts), end + 1
            parts.append(line[position:])
            self.number += 1
            if self.number >= len(lines):
                self.number = first
                self._note(f"this {quote} is not closed", f"put the missing {quote} at its end", start)
                self.number = len(lines)
                return None, 0
            line, position = lines[self.number], 0

    def _note(self, message: str, hint: str, column: int) -> None:
        line = self.number
        end = max(len(self.file.lines[line].rstrip()), column + 1)
        place = self.file.place((line, column, line, end))
        self.result.problems.append(Problem("env-file", message, hint=hint, place=place))


def _end(pattern: re.Pattern[str], line: str, start: int) -> int:
    found = pattern.match(line, start)
    return found.end() if found else start
