"""Carrying what changes in mounted directories into the guests: a thread for each `sync` mount of a running VM.

A thread, as it waits for a guest: what another guest is sent, and a VM that has to be brought up, do not wait for it.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Condition, Thread
from types import TracebackType
from typing import Protocol, Self

from vmmcompose.errors import HostError, NoSpace, VmmError
from vmmcompose.guest.ignoring import load_patterns
from vmmcompose.host.locks import hold
from vmmcompose.host.mounts import note_mount, source_digest
from vmmcompose.host.records import read_record
from vmmcompose.model.desired import Mount
from vmmcompose.model.mountsync import Report
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Process, Record
from vmmcompose.model.spec import VmSpec
from vmmcompose.watch.mailbox import Mailbox
from vmmcompose.watch.notice import Notice, Tell
from vmmcompose.watch.restarts import Retry

CALM_S = 0.03
"""How long more changes are waited for: a save is several events, and each round trip to the guest costs as much."""
FETCH_S = 10.0
"""How often a guest is asked for changes of its own where they are wanted (`two-way`): it cannot tell by itself."""

NOTE_S, SURE_S = 5.0, 1.0
"""After how long without a change it is noted what both sides are in step with, so that a plan finds nothing to do; and
how long none must come while that is found out.
"""
LONGEST_S = 1.0
"""How long they are waited for at most, where something is written all the time."""
SHOWN, REMEMBERED = 5, 1000
"""Of the paths that could not be carried over, how many are told, and how many are known to have been."""
TOLD_S = 16.0
"""The wait before the next try from which on the user is told: a guest that boots does not answer yet."""


class Way(Protocol):
    """What carries: `host.sync.Session`, or a test's."""

    def full(self) -> Report:
        """Compares and transfers everything."""

    def push(self, changed: Collection[str]) -> Report:
        """Transfers what may have changed."""


Open = Callable[[Paths, VmSpec, Mount], AbstractContextManager[Way]]


@dataclass(frozen=True, slots=True)
class InStep:
    """Both sides of a mount are the same, as far as can be told from the host."""

    spec: VmSpec
    mount: Mount
    process: Process
    digest: str


class _Courier(Thread):
    """One mount of one VM, until it is told to stop."""

    def __init__(
        self,
        way: Callable[[], AbstractContextManager[Way]],
        spec: VmSpec,
        mount: Mount,
        process: Process,
        told: Mailbox[Notice | InStep],
    ) -> None:
        super().__init__(daemon=True, name=f"sync {spec.vm} {mount.tag}")
        self._way, self._spec, self._mount, self._process = way, spec, mount, process
        self._vm, self._tell = spec.vm, told.put
        self._unnoted = False
        self._changed: set[str] = set()
        self._whole = False
        self._stopped = False
        self._condition = Condition()
        self._retry = Retry(first_s=0.5, cap_s=30.0)
        self._failed = False
        self._skipped: set[str] = set()

    def carry(self, paths: Iterable[str], *, whole: bool = False) -> None:
        """These may have changed, or anything."""
        with self._condition:
            self._changed.update(paths)
            self._whole = self._whole or whole
            self._condition.notify()

    def stop(self) -> None:
        """Carry nothing more. What is on its way arrives."""
        with self._condition:
            self._stopped = True
            self._condition.notify()

    def run(self) -> None:
        """The thread's body: connects, and again when the connection is lost."""
        while not self._stopped:
            try:
                with self._way() as way:
                    self._said(way.full(), first=True)
                    self._carry_on(way)
            except VmmError as error:
                self._lost(error)
            except Exception as error:  # noqa: BLE001 - a mount is not left alone for good without a word
                self._lost(VmmError(f"unexpected {type(error).__name__}: {error}"))

    def _carry_on(self, way: Way) -> None:
        while True:
            paths, whole = self._next()
            if self._stopped:
                return
            if paths or whole:
                self._said(way.full() if whole else way.push(paths))
            else:
                self._note()

    def _next(self) -> tuple[set[str], bool]:
        """Waits for changes, and then for a calm moment. Neither where what is in step is to be noted."""
        idle_s = FETCH_S if self._mount.sync == "two-way" else None
        with self._condition:
            if not self._condition.wait_for(self._has_news, NOTE_S if self._unnoted else idle_s):
                return set(), not self._unnoted
            until = time.monotonic() + LONGEST_S
            while not self._stopped and self._condition.wait(CALM_S) and time.monotonic() < until:
                pass
            paths, whole = self._changed, self._whole or "" in self._changed
            self._changed, self._whole = set(), False
            return paths, whole

    def _has_news(self) -> bool:
        return bool(self._changed or self._whole or self._stopped)

    def _note(self) -> None:
        """The directory as it is now has been carried over, if nothing of it turns out to have changed meanwhile."""
        self._unnoted = False
        try:
            digest = source_digest(self._mount.source, self._mount.ignore)
        except HostError:  # whoever walks it next tells
            return
        with self._condition:
            self._unnoted = self._condition.wait_for(self._has_news, SURE_S)
        if not self._unnoted:
            self._tell(InStep(self._spec, self._mount, self._process, digest))

    def _said(self, report: Report, *, first: bool = False) -> None:
        self._retry.good()
        carried = report.sent or report.deleted or report.fetched
        self._unnoted = not report.skipped and bool(first or carried or self._unnoted)
        if first and self._failed:
            self._failed = False
            self._tell(
                Notice("sync-recovered", f"{self._vm}: mount {self._mount.tag} is in step again", self._vm)
            )
        parts = [
            f"{count} {word}"
            for count, word in (
                (report.sent, "sent"),
                (report.deleted, "deleted"),
                (report.fetched, "fetched"),
            )
            if count
        ]
        if parts:
            self._tell(Notice("sync", f"{self._vm}: {self._mount.tag}: {', '.join(parts)}", self._vm))
        for path in report.conflicts:
            words = (
                f"{self._vm}: {self._mount.tag}: both sides changed {path!r}; the guest's is kept beside it"
            )
            self._tell(Notice("sync-conflict", words, self._vm, bad=True))
        self._say_skipped(report.skipped)

    def _say_skipped(self, skipped: tuple[str, ...]) -> None:
        """Each once; a guest may have any number of them, so not all are remembered."""
        news = [text for text in skipped if text not in self._skipped]
        if len(self._skipped) > REMEMBERED:
            self._skipped.clear()
        self._skipped.update(news)
        if news:
            lines = [ascii(text)[1:-1] for text in news[:SHOWN]]
            lines += [f"and {len(news) - SHOWN} more"] if len(news) > SHOWN else []
            words = f"{self._vm}: {self._mount.tag}: not carried over"
            self._tell(Notice("sync-skipped", words, self._vm, tuple(lines), bad=True))

    def _lost(self, error: VmmError) -> None:
        """Tells it once, and waits before the next try. A new connection begins with a comparison of everything."""
        if self._stopped:
            return
        wait_s = self._retry.failed(0.0)
        full = isinstance(error, NoSpace)
        if not self._failed and (full or wait_s >= TOLD_S):
            self._failed = True
            words = f"{self._vm}: mount {self._mount.tag} is out of step: {error.message}"
            self._tell(Notice("sync-failed", words, self._vm, hint=error.hint, bad=True))
        with self._condition:
            self._forget()
            # Another directory in the place of one that was gone is worth a try at once, and what goes or fits as well.
            self._condition.wait_for(
                lambda: self._stopped or "" in self._changed or (full and self._changed), wait_s
            )
            self._forget()

    def _forget(self) -> None:
        self._changed.clear()
        self._whole = False


class Couriers:
    """The couriers of a project. What they tell is handed over in the thread that waits."""

    def __init__(self, paths: Paths, tell: Tell, way: Open) -> None:
        self._paths, self._tell, self._way = paths, tell, way
        self._couriers: dict[tuple[str, Mount, Process], _Courier] = {}
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
        """A courier for each `sync` mount of a VM that runs, and no others."""
        self._write()
        wanted = {
            (vm, mount, process): records[vm].spec
            for vm, process in running.items()
            for mount in records[vm].spec.mounts
            if mount.sync != "none"
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

    def _start(self, spec: VmSpec, mount: Mount, process: Process) -> _Courier:
        courier = _Courier(lambda: self._way(self._paths, spec, mount), spec, mount, process, self._told)
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
