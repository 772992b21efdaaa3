"""What rules of `watch` make of changes: which of them a change is for, and what is done about a burst. Pure.

Whoever asks brings the time along, in seconds on any clock that only goes forward.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from vmmcompose.guest.ignoring import Rules
from vmmcompose.model.desired import WatchAction, WatchRule
from vmmcompose.watch.agenda import Calm

STRENGTH: tuple[WatchAction, ...] = ("sync", "run", "restart", "rebuild")
"""Weakest first. Each does what those before it do, but for `rebuild`: on a new disk everything begins anew."""
CALM: Mapping[WatchAction, Calm] = {
    "sync": Calm(0.0, 0.0),
    "run": Calm(0.2, 2.0),
    "restart": Calm(0.5, 5.0),
    "rebuild": Calm(1.0, 10.0),
}
"""How long nothing more must come, and how long that may be put off: what costs more waits for more."""
LEFT_OUT = (
    ".git/",
    "*~",
    ".*.sw?",
    ".sw?",
    "4913",
    ".#*",
    "\\#*#",
    "___jb_tmp___",
    "___jb_old___",
    ".DS_Store",
)
"""What git and editors write while somebody works. A rule's own patterns come later and win."""


def patterns(rule: WatchRule) -> tuple[str, ...]:
    """What does not count, beside the lines of the directory's own file."""
    return (*LEFT_OUT, *rule.ignore)


def cargo(rule: WatchRule) -> WatchRule:
    """What is carried for a rule, whatever else it does: rules that are alike in it share what carries."""
    return replace(rule, action="sync", command=())


def counts(rules: Rules, path: str, *, folder: bool | None) -> bool:
    """Whether a change of a path is one for a rule; `folder` is None where nothing is there to tell."""
    if not path:
        return True
    kinds = (False, True) if folder is None else (folder,)
    return not (rules.ignores_above(path) or any(rules.ignores(path, folder=kind) for kind in kinds))


@dataclass(frozen=True, slots=True)
class Deed:
    """What is to be done about a VM, once for a burst."""

    vm: str
    action: WatchAction
    """The strongest of those that rules ask for."""
    rules: tuple[WatchRule, ...]
    """All that the burst was for, in the order of the manifest."""

    @property
    def commands(self) -> tuple[WatchRule, ...]:
        """Those whose commands run."""
        return tuple(rule for rule in self.rules if rule.action == "run" and self.action != "rebuild")


@dataclass(slots=True)
class _Burst:
    first: float
    last: float
    rules: dict[int, WatchRule] = field(default_factory=dict)

    @property
    def action(self) -> WatchAction:
        return max((rule.action for rule in self.rules.values()), key=STRENGTH.index)

    @property
    def due(self) -> float:
        calm = CALM[self.action]
        return min(self.last + calm.quiet_s, self.first + calm.longest_s)


@dataclass(slots=True)
class Deeds:
    """Bursts by VM. What comes while something is done about a VM is one more burst, however much it is."""

    _bursts: dict[str, _Burst] = field(default_factory=dict)
    _busy: set[str] = field(default_factory=set)

    def note(self, vm: str, number: int, rule: WatchRule, now: float) -> None:
        """Something changed that a VM's rule is for; `number` is its place in the manifest."""
        burst = self._bursts.setdefault(vm, _Burst(now, now))
        burst.last = now
        burst.rules[number] = rule

    def next(self) -> float | None:
        """When the next deed is due; None when there is none, or something is being done."""
        return min((burst.due for vm, burst in self._bursts.items() if vm not in self._busy), default=None)

    def take(self, now: float) -> tuple[Deed, ...]:
        """What is due. Nothing more comes of these VMs until it is over."""
        due = sorted(vm for vm, burst in self._bursts.items() if vm not in self._busy and burst.due <= now)
        taken = []
        for vm in due:
            burst = self._bursts.pop(vm)
            self._busy.add(vm)
            taken.append(Deed(vm, burst.action, tuple(burst.rules[n] for n in sorted(burst.rules))))
        return tuple(taken)

    def over(self, vm: str) -> None:
        """It has been done, or has failed."""
        self._busy.discard(vm)

    def forget(self, vm: str) -> None:
        """The VM does not run, or has no rules: what was noted is nothing to it."""
        self._bursts.pop(vm, None)
