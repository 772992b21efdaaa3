"""Which VMs that ended are brought up again, and when. Pure; whoever asks brings the time along."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from vmmcompose.model.desired import DesiredVm, Restart

STEADY_S = 60.0
"""A VM that ran for so long did not crash because of how it starts: counting begins anew."""
FIRST_S, CAP_S = 1.0, 300.0
"""The wait before the second start in a row, which doubles with each, and the longest."""
TOLD_AT = 3
"""Ends in a row after which a VM counts as one that keeps crashing."""

_PANIC = "Kernel panic - not syncing"
_ORDERLY = ("reboot: Power down", "reboot: Restarting system", "reboot: System halted")


def ended_cleanly(console: Sequence[str], vmm: Sequence[str]) -> bool:
    """Whether a guest ended itself and meant to, by the last lines of its console and of its VMM's logs.

    Linux says so on the console however quiet it is (kernel/reboot.c, pr_emerg); Firecracker in its log, but after a
    panic as well, which reboots.
    """
    if any(_PANIC in line for line in console):
        return False
    if any(word in line for line in console for word in _ORDERLY):
        return True
    return any("exiting successfully" in line for line in vmm)


def delay(ends: int) -> float:
    """Seconds to wait after so many ends in a row: none at first, then twice as long each time, up to a cap."""
    return 0.0 if ends <= 1 else min(CAP_S, FIRST_S * 2.0 ** min(ends - 2, 32))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done about a VM that ended."""

    what: Literal["start", "wait", "leave"]
    until: float = 0.0
    """When it is started, if it waits."""
    ends: int = 0
    """How often it has ended in a row."""
    tell: bool = False
    """Whether this is news to the user: it is left alone, or keeps crashing. Each is told once."""


@dataclass(slots=True)
class _Story:
    """What is known of one VM."""

    process: Hashable = None
    since: float = 0.0
    """When its process was first seen."""
    counted: Hashable = None
    """The process whose end has been counted."""
    ends: int = 0
    due: float = 0.0
    told: bool = False
    left_told: bool = False


@dataclass(slots=True)
class Restarts:
    """The stories of all VMs, by name. A process is known by any value that no other process has."""

    _stories: dict[str, _Story] = field(default_factory=dict)

    def runs(self, vm: str, process: Hashable, now: float) -> None:
        """A VM was seen alive."""
        story = self._stories.setdefault(vm, _Story())
        if story.process != process:
            story.process, story.since, story.left_told = process, now, False

    def ended(self, vm: str, process: Hashable, policy: Restart, now: float, *, clean: bool) -> Verdict:
        """A VM was seen dead, perhaps not for the first time."""
        story = self._stories.setdefault(vm, _Story(process, now))
        if story.counted != process:
            if story.process == process and now - story.since >= STEADY_S:
                story.ends, story.told = 0, False
            story.counted = process
            story.ends += 1
            story.due = now + delay(story.ends)
        if policy == "no" or (policy == "on-failure" and clean):
            tell, story.left_told = not story.left_told, True
            return Verdict("leave", ends=story.ends, tell=tell)
        tell = story.ends >= TOLD_AT and not story.told
        story.told = story.told or tell
        return Verdict("start" if now >= story.due else "wait", story.due, story.ends, tell)

    def crashing(self, vm: str) -> bool:
        """Whether a VM keeps crashing, and the user knows."""
        return vm in self._stories and self._stories[vm].told

    def hurry(self) -> None:
        """Whoever waits may start now."""
        for story in self._stories.values():
            story.due = 0.0

    def forget(self, vm: str) -> None:
        """A VM was changed: what its old form did says nothing about the new one."""
        self._stories.pop(vm, None)


def with_dependants(vms: Iterable[DesiredVm], held: frozenset[str], alive: frozenset[str]) -> frozenset[str]:
    """The VMs held back, and those that are not there yet and need one of them."""
    waiting = [vm for vm in vms if vm.name not in alive]
    found = set(held)
    while more := {
        vm.name
        for vm in waiting
        if vm.name not in found and any(d.required and d.vm in found for d in vm.depends_on)
    }:
        found |= more
    return frozenset(found)


@dataclass(slots=True)
class Retry:
    """When a look that failed is made again: later each time."""

    first_s: float = 2.0
    cap_s: float = 300.0
    _count: int = 0

    def failed(self, now: float) -> float:
        """When to try again."""
        wait = min(self.cap_s, self.first_s * 2.0 ** min(self._count, 32))
        self._count += 1
        return now + wait

    def good(self) -> None:
        """It worked, or something changed: begin anew."""
        self._count = 0
