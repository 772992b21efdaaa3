"""The other end of a courier's way, for tests of who carries what and when."""

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from vmmcompose.errors import HostError
from vmmcompose.model.desired import Mount
from vmmcompose.model.mountsync import Report
from vmmcompose.model.paths import Paths
from vmmcompose.model.spec import VmSpec


@dataclass
class Guest:
    """The other end: what arrived there, and whether it answers."""

    arrived: list[tuple[str, ...]] = field(default_factory=list)
    open: int = 0
    broken: bool = False
    kept: int = 0
    slow: threading.Event = field(default_factory=threading.Event)
    report: Report = field(default_factory=Report)

    def __post_init__(self) -> None:
        self.slow.set()

    @contextmanager
    def way(self, _paths: Paths, _spec: VmSpec, _mount: Mount) -> Iterator["Guest"]:
        self._check()
        self.open += 1
        try:
            yield self
        finally:
            self.open -= 1

    def full(self) -> Report:
        self._check()
        report = self.report
        self.arrived.append(("everything",))
        return report

    def push(self, changed: Collection[str]) -> Report:
        self.slow.wait(10)
        self._check()
        report = self.report
        self.arrived.append(tuple(sorted(changed)))
        return report

    def keep(self) -> None:
        self.kept = len(self.arrived)

    def _check(self) -> None:
        if self.broken:
            raise HostError("the guest does not answer")
