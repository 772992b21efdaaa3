"""Variables in a text: `$VAR`, `${VAR:-default}` and the rest of what compose knows, `$$` for a dollar sign.

After the compose specification, 12-interpolation.md; `docs/manifest.md` names the differences.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from vmmcompose.manifest.report import quoted

Get = Callable[[str], str | None]
"""A variable's value, or None where it is not set; raises `BrokenValueError`."""

MAX_LENGTH = 4 << 20
"""Characters that one text may have in the end; a manifest's values are far shorter."""
_MAX_NESTED = 32
_MAX_FAULTS = 20
"""Faults told of one text."""
_DOLLAR = re.compile(r"\$")
_DOLLAR_OR_END = re.compile(r"[$}]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":?[-?+]")
_BRACE = re.compile(r"\$\{|\}")
_SURROGATE = re.compile("[\udc80-\udcff]")
"""How Python shows bytes that are not UTF-8 in an environment variable."""
_FORMS = "`${VAR}`, `${VAR:-default}`, `${VAR:?message}` and `${VAR:+value}` are known; `$$` is a dollar sign"


class BrokenValueError(Exception):
    """A variable is set, but what is wrong with its value has been told elsewhere."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a variable that stands at `start` to `end` of a text; no `code` if that is told elsewhere."""

    code: str
    message: str
    hint: str
    start: int
    end: int


def interpolate(text: str, get: Get) -> tuple[str, list[Fault]]:
    """The text with the variables' values; as it was, and why, where one of them will not do.

    A default is looked at only when it is needed.
    """
    expansion = _Expansion(text, get)
    try:
        result = expansion.run()
    except _GiveUpError:
        return text, expansion.faults
    return (text if expansion.faults else result), expansion.faults


class _GiveUpError(Exception):
    """Nothing more is to be found in this text."""


@dataclass(slots=True)
class _Expansion:
    text: str
    get: Get
    faults: list[Fault] = field(default_factory=list)
    _length: int = 0
    _live: bool = True
    """Whether what is being read will be used."""

    def run(self) -> str:
        return self._read(0, _DOLLAR, 0)[0]

    def _read(self, position: int, until: re.Pattern[str], depth: int) -> tuple[str, int]:
        """Everything to the `}` that ends a word, or to the end of the text; and where that is."""
        text, parts = self.text, list[str]()
        while True:
            found = until.search(text, position)
            if not found:
                parts.append(text[position:])
                return "".join(parts), len(text)
            start = found.start()
            parts.append(text[position:start])
            if found[0] == "}":
                return "".join(parts), start
            value, position = self._variable(start, depth)
            self._length += len(value)
            if self._length > MAX_LENGTH:
                self._refuse("too-large", "variables make this longer than 4 MiB", "", start, position)
            parts.append(value)

    def _variable(self, start: int, depth: int) -> tuple[str, int]:
        """What the `$` at `start` stands for, and where the text goes on."""
        text = self.text
        after = text[start + 1 : start + 2]
        if after == "$":
            return "$", start + 2
        braced = after == "{"
        name = _NAME.match(text, start + 1 + braced)
        if not braced:
            if name:
                return self._value(name[0], start, name.end()), name.end()
            message = "there is a `$` that begins no variable"
            self._note("dollar", message, "write `$$` for a dollar sign", start, start + 1)
            return "$", start + 1
        if not name:
            end = self._end(start)
            self._note("interpolation", f"{quoted(text[start:end])} names no variable", _FORMS, start, end)
            return "", end
        return self._braced(name[0], name.end(), start, depth)

    def _braced(self, name: str, position: int, start: int, depth: int) -> tuple[str, int]:
        text = self.text
        if text[position : position + 1] == "}":
            return self._value(name, start, position + 1), position + 1
        operator = _OPERATOR.match(text, position)
        if not operator:
            end = self._end(start)
            self._note(
                "interpolation", f"{quoted(text[start:end])} is no form that vmm knows", _FORMS, start, end
            )
            return "", end
        if depth >= _MAX_NESTED:
            message = f"variables stand in more than {_MAX_NESTED} defaults of each other"
            self._refuse("interpolation", message, "", start, position)
        value, kind, live = self._look(name, start) if self._live else None, operator[0][-1], self._live
        there = value is not None and (value != "" or operator[0][0] != ":")
        self._live = live and there == (kind == "+")
        word, end = self._read(operator.end(), _DOLLAR_OR_END, depth + 1)
        self._live = live
        if end == len(text):
            self._unclosed(start)
        if kind == "?" and live and not there:
            state = "not set" if value is None else "empty"
            said = f"the variable {quoted(name)} is {state}" + (f": {word}" if word.strip() else "")
            self._note("required-variable", said, "set it in the environment or in `.env`", start, end + 1)
        if there and kind != "+":
            return self._checked(name, value or "", start, end + 1), end + 1
        return (word if there == (kind == "+") and kind != "?" else ""), end + 1

    def _value(self, name: str, start: int, end: int) -> str:
        if not self._live:
            return ""
        value = self._look(name, start)
        if value is None:
            hint = f"set it in the environment or in `.env`, or give a default: `${{{name}:-…}}`"
            self._note("unset-variable", f"the variable {quoted(name)} is not set", hint, start, end)
            return ""
        return self._checked(name, value, start, end)

    def _look(self, name: str, start: int) -> str | None:
        try:
            return self.get(name)
        except BrokenValueError:
            self._note("", "", "", start, start + 1)
            return ""

    def _checked(self, name: str, value: str, start: int, end: int) -> str:
        if not value.isascii() and _SURROGATE.search(value):
            self._note(
                "encoding",
                f"the variable {quoted(name)} is not UTF-8",
                "a value must be UTF-8 text",
                start,
                end,
            )
            return ""
        return value

    def _end(self, start: int) -> int:
        """Behind the `}` that closes a form which is not understood."""
        depth, position = 1, start + 2
        while depth:
            found = _BRACE.search(self.text, position)
            if not found:
                self._unclosed(start)
            depth += 1 if found[0] != "}" else -1
            position = found.end()
        return position

    def _unclosed(self, start: int) -> NoReturn:
        shown = self.text[start:].split("\n", 1)[0]
        hint = "put the missing `}` at its end; `$$` is a dollar sign"
        self._refuse("interpolation", f"{quoted(shown)} is not closed", hint, start, start + len(shown))

    def _note(self, code: str, message: str, hint: str, start: int, end: int) -> None:
        self.faults.append(Fault(code, message, hint, start, end))
        if len(self.faults) >= _MAX_FAULTS:
            raise _GiveUpError

    def _refuse(self, code: str, message: str, hint: str, start: int, end: int) -> NoReturn:
        self._note(code, message, hint, start, end)
        raise _GiveUpError
