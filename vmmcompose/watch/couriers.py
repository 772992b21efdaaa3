"""Carrying what changes in mounted directories into the guests: a thread for each `sync` mount of a running VM.

A thread, as it waits for a guest: what another guest is sent, and a VM that has to be brought up, do not wait for it.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from vmmcompose.errors import HostError, VmmError
from vmmcompose.guest.ignoring import load_patterns
from vmmcompose.host.locks import hold
from vmmcompose.host.mounts import note_mount, source_digest
from vmmcompose.host.records import read_record
from vmmcompose.model.desired import Mount
from vmmcompose.model.mountsync import Report
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Process, Record
from vmmcompose.model.spec import VmSpec
from vmmcompose.watch.courier import Courier, Way
from vmmcompose.watch.mailbox import Mailbox
from vmmcompose.watch.notice import Notice, Tell

FETCH_S = 10.0
"""How often a guest is asked for changes of its own where they are wanted (`two-way`): it cannot tell by itself."""

NOTE_S, SURE_S = 5.0, 1.0
"""After how long without a change it is noted what both sides are in step with, so that a plan finds nothing to do; and
how long none must come while that is found out.
"""

Open = Callable[[Paths, VmSpec, Mount], AbstractContextManager[Way]]


@dataclass(frozen=True, slots=True)
class InStep:
    """Both sides of a mount are the same, as far as can be told from the host."""

    spec: VmSpec
    mount: Mount
    process: Process
    digest: str


class _MountCourier(Courier):
    """One mount of one VM. What it is in step with is found out when it is calm."""

    def __init__(
        self,
        way: Callable[[], AbstractContextManager[Way]],
        spec: VmSpec,
        mount: Mount,
        process: Process,
        told: Mailbox[Notice | InStep],
    ) -> None:
        super().__init__(way, spec.vm, mount.tag, told.put, title=f"mount {mount.tag}")
        self._spec, self._mount, self._process, self._told = spec, mount, process, told
        self._unnoted = False

    def _patience_s(self) -> float | None:
        idle_s = FETCH_S if self._mount.sync == "two-way" else None
        return NOTE_S if self._unnoted else idle_s

    def _rest(self, way: Way) -> None:
        if self._unnoted:
            self._note(way)
        else:
            report = way.full()
            self._said(report)
            # Nobody told of a change: where there was none, what was noted holds.
            if not (report.sent or report.deleted or report.fetched):
                self._unnoted = False

    def _note(self, way: Way) -> None:
        """The directory as it is now has been carried over, if nothing of it turns out to have changed meanwhile."""
        self._unnoted = False
        way.keep()
        try:
            digest = source_digest(self._mount.source, self._mount.ignore)
        except HostError:  # whoever walks it next tells
            return
        with self._condition:
            self._unnoted = self._condition.wait_for(self._has_news, SURE_S)
        if not self._unnoted:
            self._told.put(InStep(self._spec, self._mount, self._process, digest))

    def _said(self, report: Report, *, first: bool = False) -> None:
        # Also where nothing had to be carried: a link that was made anew looks other to whoever plans.
        self._unnoted = not report.skipped
        super()._said(report, first=first)


class Couriers:
    """The couriers of a project. What they tell is handed over in the thread that waits."""

    def __init__(self, paths: Paths, tell: Tell, way: Open) -> None:
        self._paths, self._tell, self._way = paths, tell, way
        self._couriers: dict[tuple[str, Mount, Process], _MountCourier] = {}
        self._told: Mailbox[Notice | InStep] = Mailbox()
        self._unwritten: list[InStep] = []

    def fileno(self) -> int:
        """Readable when there is something to hand over."""
        return self._told.fileno()

    def hand_over(self) -> None:
        """Tells what the couriers had to say, and notes what is in step."""
        for told in self._told.take():
            if isinstance(told, Notice):
                self._tell(told)
            else:
                self._unwritten.append(told)
        self._write()

    def arrange(self, records: Mapping[str, Record], running: Mapping[str, Process]) -> None:
        """A courier for each `sync` mount of a VM that runs, and no others: one that is paused cannot answer."""
        self._write()
        wanted = {
            (vm, mount, process): records[vm].spec
            for vm, process in running.items()
            for mount in records[vm].spec.mounts
            if mount.sync != "none" and records[vm].state != "paused"
        }
        for key in self._couriers.keys() - wanted.keys():
            self._couriers.pop(key).stop()
        if wanted and not self._couriers:
            load_patterns()  # here, as a look forks, and threads do not
        for key, spec in wanted.items():
            if key not in self._couriers:
                self._couriers[key] = self._start(spec, key[1], key[2])

    def changed(self, trees: Mapping[str, Iterable[str]], *, overflow: bool) -> None:
        """Paths that may have changed, by directory; with `overflow` others as well."""
        for (_, mount, _), courier in self._couriers.items():
            if overflow or mount.source in trees:
                courier.carry(trees.get(mount.source, ()), whole=overflow)

    def __enter__(self) -> Self:
        """Nothing is carried yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops all; waits a moment for what is on its way."""
        for courier in self._couriers.values():
            courier.stop()
        for courier in self._couriers.values():
            courier.join(2.0)
        if not any(courier.is_alive() for courier in self._couriers.values()):
            self._told.close()
        self._couriers.clear()

    def _start(self, spec: VmSpec, mount: Mount, process: Process) -> _MountCourier:
        courier = _MountCourier(lambda: self._way(self._paths, spec, mount), spec, mount, process, self._told)
        courier.start()
        return courier

    def _write(self) -> None:
        """In the loop's thread: a process forked while another holds the lock would hold it too."""
        left, self._unwritten = self._unwritten, []
        for told in left:
            spec = told.spec
            try:
                with hold(self._paths.work_lock(spec.project, ""), f"project {spec.project}", timeout_s=0.0):
                    record = read_record(self._paths, spec.name)
                    if isinstance(record, Record) and record.process == told.process:
                        info = self._paths.mount_info(spec.name, told.mount.tag)
                        note_mount(told.mount, info, told.digest)
            except VmmError:  # somebody works on the project, or the disk is full: after the next look
                self._unwritten.append(told)
