"""A workshop of rules with the loop around it: real files, and guests whose other end is here."""

import os
import select
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from guest_spec import SPEC
from lab import eventually

from vmmcompose.errors import HostError, NoSpace
from vmmcompose.model.desired import Desired, DesiredVm, WatchRule
from vmmcompose.model.mountsync import Report
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Process, Record
from vmmcompose.model.spec import VmSpec
from vmmcompose.watch import Notice, Workshop
from vmmcompose.watch.agenda import Agenda

PROCESS = Process(1, 2, "boot")


@dataclass
class Guest:
    """The other end: what arrived, and what was run there, in one order."""

    done: list[str] = field(default_factory=list)
    first: Report = field(default_factory=Report)
    code: int = 0
    lines: tuple[bytes, ...] = ()
    lost: bool = False
    full: bool = False
    """Nothing can be carried any more."""
    held: threading.Event = field(default_factory=threading.Event)
    """Commands go on while it is set."""
    carried: threading.Event = field(default_factory=threading.Event)
    """Files arrive while it is set."""

    def __post_init__(self) -> None:
        self.held.set()
        self.carried.set()

    @contextmanager
    def way(
        self, _paths: Paths, _spec: VmSpec, rule: WatchRule, _ignore: tuple[str, ...]
    ) -> Iterator["_Way"]:
        yield _Way(self, rule)

    def run(
        self,
        _paths: Paths,
        _spec: VmSpec,
        _process: Process,
        command: tuple[str, ...],
        *,
        on_line: Callable[[bytes], None],
        check: Callable[[], None],
    ) -> int:
        self.done.append(f"run {command[-1]}")
        for line in self.lines:
            on_line(line)
        while not self.held.wait(0.02):
            check()
        if self.lost:
            raise HostError("the connection ended", hint="look there")
        return self.code


@dataclass
class _Way:
    guest: Guest
    rule: WatchRule

    def _check(self) -> None:
        if self.guest.full:
            raise NoSpace("no space is left")

    def full(self) -> Report:
        self._check()
        self.guest.done.append(f"all of {os.path.basename(self.rule.path)}")
        return self.guest.first

    def keep(self) -> None:
        """Nothing is remembered."""

    def push(self, changed: Collection[str]) -> Report:
        self._check()
        self.guest.carried.wait(10)
        self.guest.done.append(f"{', '.join(sorted(changed))} of {os.path.basename(self.rule.path)}")
        return Report(sent=len(changed))


class Shop:
    """A workshop, and the loop around it."""

    def __init__(self, root: Path) -> None:
        self.root, self.guest = root, Guest()
        self.told: list[Notice] = []
        self.made: list[Mapping[str, bool]] = []
        self.agenda = Agenda()
        self.workshop = Workshop(
            Paths(PurePosixPath(root / "data")), self.told.append, self.agenda, self.guest.way, self.guest.run
        )

    def rule(self, name: str, action: str, **more: object) -> WatchRule:
        (self.root / name).mkdir(exist_ok=True)
        return WatchRule(str(self.root / name), action, **more)  # type: ignore[arg-type]

    def arrange(
        self, *rules: WatchRule, process: Process = PROCESS, more: Mapping[str, str] | None = None
    ) -> None:
        """VM `web`, or replicas: names with what they are replicas of."""
        vms = more or {"web": ""}
        desired = Desired("shop", tuple(DesiredVm(vm, "tiny", watch=rules) for vm in vms))
        records = {vm: Record(_spec(vm, kind), "running", process) for vm, kind in vms.items()}
        self.workshop.arrange(desired, records, dict.fromkeys(vms, process))

    def change(self, name: str, *paths: str) -> None:
        self.workshop.changed({str(self.root / name): set(paths)})

    def turn(self, seconds: float = 0.1) -> None:
        """What the loop does again and again."""
        if select.select([self.workshop], [], [], seconds)[0]:
            self.workshop.hand_over()
        self.workshop.work(self.made.append)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        def turned() -> bool:
            self.turn()
            return condition()

        eventually(turned, f"{what}: {self.guest.done} {[n.words for n in self.told]}")

    def settle(self, for_s: float = 1.6) -> None:
        until = time.monotonic() + for_s
        while time.monotonic() < until:
            self.turn()

    def events(self) -> list[str]:
        return [notice.event for notice in self.told]


def _spec(vm: str, kind: str) -> VmSpec:
    return replace(SPEC, vm=vm, name=f"shop-{vm}", replica_of=kind)
