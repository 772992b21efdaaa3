"""When to look again, and what for: bursts become one look. Pure; whoever asks brings the time along.

Times are seconds on any clock that only goes forward.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Trigger = Literal[
    "asked",
    "manifest",
    "death",
    "drift",
    "record",
    "image",
    "mount",
    "overflow",
    "timer",
    "retry",
    "back-off",
    "rule",
]


@dataclass(frozen=True, slots=True)
class Calm:
    """How long nothing more must come before something is looked at, and how long that may be put off."""

    quiet_s: float
    longest_s: float


CALM: Mapping[Trigger, Calm] = {
    "asked": Calm(0.0, 0.0),
    "manifest": Calm(0.25, 5.0),
    "death": Calm(0.05, 0.5),
    "drift": Calm(0.3, 2.0),
    "record": Calm(0.3, 2.0),
    "image": Calm(1.0, 10.0),
    "mount": Calm(0.5, 5.0),
    "overflow": Calm(0.5, 2.0),
    "timer": Calm(0.0, 0.0),
    "retry": Calm(0.0, 0.0),
    "back-off": Calm(0.0, 0.0),
    "rule": Calm(0.0, 0.0),
}
TOGETHER: frozenset[Trigger] = frozenset({"manifest", "mount"})
"""Looked at together, when all of them are calm: a checkout of another branch changes both, file after file."""


@dataclass(slots=True)
class _Burst:
    first: float
    last: float


@dataclass(slots=True)
class Agenda:
    """What has been noticed and not been looked at yet, and what is to be looked at later."""

    _bursts: dict[Trigger, _Burst] = field(default_factory=dict)
    _later: dict[Trigger, float] = field(default_factory=dict)

    def note(self, trigger: Trigger, now: float) -> None:
        """Something happened."""
        burst = self._bursts.setdefault(trigger, _Burst(now, now))
        burst.last = now

    def later(self, trigger: Trigger, at: float | None) -> None:
        """Look at a time in the future, in place of the one said before; None takes it back."""
        self._later.pop(trigger, None)
        if at is not None:
            self._later[trigger] = at

    def next(self) -> float | None:
        """When the next look is due; None when nothing is to be looked at."""
        times = [self._due(trigger, burst) for trigger, burst in self._bursts.items()]
        return min([*times, *self._later.values()], default=None)

    def take(self, now: float) -> tuple[Trigger, ...]:
        """What is due, sorted, and noted no longer. What is still coming in stays."""
        due = {trigger for trigger, burst in self._bursts.items() if self._due(trigger, burst) <= now}
        if due & TOGETHER:
            due |= TOGETHER & self._bursts.keys()
        late = {trigger for trigger, at in self._later.items() if at <= now}
        for trigger in due:
            del self._bursts[trigger]
        for trigger in late:
            del self._later[trigger]
        return tuple(sorted(due | late))

    def _due(self, trigger: Trigger, burst: _Burst) -> float:
        others = TOGETHER & self._bursts.keys() if trigger in TOGETHER else {trigger}
        calm = max(self._bursts[other].last + CALM[other].quiet_s for other in others)
        return min(calm, burst.first + CALM[trigger].longest_s)
