"""A fault in what the user asked for, as a value: gathered, never thrown at the first."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Place:
    """A span in a file; lines and columns count from 1, `end_column` is exclusive."""

    file: str
    line: int
    column: int
    end_column: int
    text: str = ""
    """The whole source line, for the caret display."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, where, and what to do next.

    `at` is a manifest path such as `("vms", "web", "cpus")`; a renderer turns it into a place.
    """

    code: str
    message: str
    at: tuple[str | int, ...] = ()
    hint: str = ""
    severity: Severity = "error"
    place: Place | None = None
