"""What the user is told by the loop."""

from collections.abc import Callable
from dataclasses import dataclass, field

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


@dataclass(slots=True)
class Told:
    """What has been said, so that it is said once."""

    words: dict[str, str] = field(default_factory=dict)

    def news(self, about: str, words: str) -> bool:
        """Whether this was not the last thing said about something."""
        known = self.words.get(about)
        self.words[about] = words
        return known != words

    def over(self, about: str) -> bool:
        """Whether something had been said, which is over now."""
        return self.words.pop(about, "") != ""
