"""What the user is told by the loop."""

from collections.abc import Callable
from dataclasses import dataclass

from vmmcompose.model.problem import Problem


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that the user is told, beside what the spine itself tells."""

    event: str
    words: str
    vm: str = ""
    lines: tuple[str, ...] = ()
    """More of it: the last lines of a console."""
    hint: str = ""
    problems: tuple[Problem, ...] = ()
    bad: bool = False


Tell = Callable[[Notice], None]
