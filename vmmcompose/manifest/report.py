"""How problems are gathered and worded."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from vmmcompose.manifest.replicas import numbered_text
from vmmcompose.manifest.source import At, SourceMap
from vmmcompose.model.problem import Problem

T = TypeVar("T")
BAD: Final = object()
"""Stands in the data where the schema has found a fault already: passed over, never reported again."""
_LONGEST = 60
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


def is_bad(value: object) -> bool:
    """Whether the schema has found a fault in a value already, or in one that it holds."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value is BAD or any(item is BAD for item in inner)


class BadValueError(ValueError):
    """A value that will not do: `code`, and the rest of the sentence that begins with the value's name.

    `inside` is the key at fault, where the value is a mapping that has it.
    """

    def __init__(self, code: str, message: str, hint: str = "", *, inside: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.inside = inside


class Report:
    """Gathers the problems of one manifest."""

    def __init__(self, sources: SourceMap) -> None:
        self.sources = sources
        self.problems: list[Problem] = []
        self.replica = 0
        """Number of the replica that is being read; 0 for what is no replica."""

    def written(self, at: At) -> str:
        """A scalar's text as it stands in the file, with the replica's number for `${VMM_INDEX}`."""
        return numbered_text(self.sources.written(at), self.replica)

    def add(self, code: str, at: At, message: str, hint: str = "", *, on_key: bool = False) -> None:
        """Adds a problem whose message is a whole sentence; `on_key` puts the caret under the key.

        Nothing is said about a value whose variables have a problem already.
        """
        if self.sources.spoilt(at):
            return
        place = self.sources.key(at) if on_key else self.sources.place(at)
        self.problems.append(Problem(code, message, at, hint, place=place))

    def attempt(self, at: At, parse: Callable[..., T], *values: Any, on_key: bool = False) -> T | None:  # noqa: ANN401
        """What `parse` makes of the values; None, and a problem about `at`, if they will not do."""
        try:
            return parse(*values)
        except BadValueError as error:
            deeper = (*at, error.inside)
            here = deeper if error.inside and deeper in self.sources else at
            self.add(error.code, here, f"{subject(at)} {error.message}", error.hint, on_key=on_key)
            return None


def subject(at: At) -> str:
    """What a sentence about this part of the manifest begins with: VM `web`: `cpus`."""
    if not at:
        return "the manifest"
    if at[0] != "vms" or len(at) == 1:
        return _path(at)
    return f"VM {quoted(str(at[1]))}" + (f": {_path(at[2:])}" if len(at) > 2 else "")


def _path(at: At) -> str:
    entry = next(
        (i for i, part in enumerate(at) if isinstance(part, int) or not _PLAIN.fullmatch(part)), None
    )
    if entry is None:
        return quoted(".".join(map(str, at)))
    outer, inner = ".".join(map(str, at[:entry])), ".".join(str(part) for part in at[entry + 1 :])
    name = at[entry]
    which = f" {quoted(name)}" if isinstance(name, str) else ""
    return (f"{quoted(inner)} of a " if inner else "") + f"{quoted(outer)} entry{which}"


def quoted(text: str) -> str:
    """A user's text in a message, cut if it is long."""
    return f"`{text if len(text) <= _LONGEST else text[:_LONGEST] + '…'}`"


def shown(value: Any) -> str:  # noqa: ANN401 - any value of the file
    """A value in a message."""
    if isinstance(value, bool):
        return quoted(str(value).lower())
    if isinstance(value, int | float):
        return f"the number {quoted(str(value))}"
    if isinstance(value, str):
        return quoted(value) if value else "an empty string"
    if value is None:
        return "empty"
    kind = "list" if isinstance(value, list) else "mapping"
    return f"a {kind}" if value else f"an empty {kind}"


def listed(words: Iterable[str], joint: str) -> str:
    """`a`, `b` and `c`, with `joint` for the last comma."""
    names = [quoted(word) for word in words]
    return f"{', '.join(names[:-1])} {joint} {names[-1]}" if len(names) > 1 else "".join(names)


_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def has_control(text: str) -> bool:
    """Whether the text holds a character that would break out of a line."""
    return _CONTROL.search(text) is not None
