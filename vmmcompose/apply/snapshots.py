"""Making a memory snapshot: the guest stands still while its memory and disks are copied, and runs on in any case.

The record says `paused` before the guest is paused and `running` after it was resumed, as for `vmm pause`: whoever
comes after a command that was killed in between finds it paused, and `vmm resume`, `start` and `up` resume it. The
half-made snapshot has a temporary name, which the next command sweeps.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Self

from vmmcompose.apply.context import now
from vmmcompose.apply.interrupts import signals_set
from vmmcompose.drivers import driver, snapshotter
from vmmcompose.drivers.base import MemoryFiles
from vmmcompose.errors import DriverError, HostError, Interrupted, NoSpace, VmmError
from vmmcompose.host import kvm, records, snapshots
from vmmcompose.host.files import remove_tree
from vmmcompose.host.process import alive
from vmmcompose.host.ssh import answers, run_in_guest
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Process, Record
from vmmcompose.model.snapshot import Snapshot

_CONNECT_S = 1.0
_SYNC_S = 60.0
_RESUME_TRIES = 6

Tell = Callable[[str], None]
"""Told what is being done, in a few words."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot that was made."""

    snapshot: Snapshot
    paused_s: float
    """How long the guest stood still; 0 for one that was paused before and is still."""


def take_snapshot(paths: Paths, name: str, snapshot: str, tell: Tell) -> Taken:
    """Makes a snapshot of a running or paused VM. The caller holds the VM's lock.

    Raises:
        DriverError: the VM's driver cannot, or its VMM refused.
        HostError: the VM does not run, the name is taken, or the host's disk is full. The guest runs on.
        Interrupted: Ctrl-C; the guest runs on and nothing is left.
    """
    record, process = _running(paths, name, snapshot)
    spec = record.spec
    maker = snapshotter(spec.driver)
    tags = [mount.tag for mount in spec.mounts]
    snapshots.require_room(paths, name, tags, spec.memory_mib)
    cancelled = Event()

    def cancel() -> None:
        if cancelled.is_set():
            raise Interrupted("interrupted; no snapshot was made")

    still = _Standstill(paths, record, process)
    with signals_set(cancelled):
        temp = snapshots.begin(paths, name, snapshot)
        try:
            files = MemoryFiles(str(temp / snapshots.STATE), str(temp / snapshots.MEMORY))
            if record.state == "running":
                _flush_guest(paths, record, tell)
            cancel()
            with still:
                tell(f"writing {spec.memory_mib} MiB of memory")
                maker.snapshot(paths, spec.id, files)
                cancel()
                tell("copying its disks")
                snapshots.copy_disks(paths, name, tags, temp, cancel)
            still.settle()
            made = _describe(paths, snapshot, record)
            snapshots.publish(paths, name, temp, made)
        except BaseException:
            with suppress(HostError):  # the first error counts; the next command sweeps
                remove_tree(temp)
                still.settle()
            raise
    return Taken(made, still.seconds)


def memory_files(paths: Paths, name: str, snapshot: str) -> MemoryFiles:
    """Where a snapshot's memory lies."""
    folder = paths.snapshot(name, snapshot)
    return MemoryFiles(str(folder / snapshots.STATE), str(folder / snapshots.MEMORY))


class _Standstill:
    """The guest is paused in this block, and runs again after it if it did before, whatever happens."""

    def __init__(self, paths: Paths, record: Record, process: Process) -> None:
        self._paths = paths
        self._record = record
        self._process = process
        self._driver = driver(record.spec.driver)
        self._begin = 0.0
        self._unsettled = False
        self.seconds = 0.0

    def __enter__(self) -> Self:
        if self._record.state != "paused":
            records.write_record(self._paths, replace(self._record, state="paused"))
        self._begin = time.monotonic()
        try:
            self._driver.pause(self._paths, self._record.spec.id)
        except BaseException:
            self._resume()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._resume()

    def _resume(self) -> None:
        """A VMM that is still busy with the snapshot answers late, so it is asked more than once."""
        if self._record.state == "paused":
            return
        for left in reversed(range(_RESUME_TRIES)):
            try:
                self._driver.resume(self._paths, self._record.spec.id)
                break
            except DriverError:
                if left == 0 or not alive(self._process):
                    raise
        self.seconds = time.monotonic() - self._begin
        self._unsettled = True
        with suppress(NoSpace):  # the half-made snapshot takes all there is, and goes next
            self.settle()

    def settle(self) -> None:
        """The record says that the guest runs, unless it does already.

        Raises:
            HostError: it cannot be written.
        """
        if self._unsettled:
            records.write_record(self._paths, self._record)
            self._unsettled = False


def _running(paths: Paths, name: str, snapshot: str) -> tuple[Record, Process]:
    record = records.read_record(paths, name)
    if not isinstance(record, Record):
        raise HostError(f"the record of VM {name} is gone", hint="`vmm list` shows the VMs there are")
    vm = record.spec.vm
    snapshotter(record.spec.driver)
    if record.state not in ("running", "paused") or record.process is None or not alive(record.process):
        raise VmmError(f"VM {vm} does not run; only a running one has memory to keep", hint=f"vmm start {vm}")
    if record.spec.volumes:
        names = ", ".join(volume.volume for volume in record.spec.volumes)
        raise VmmError(
            f"VM {vm} has volumes ({names}), which outlive it and are no part of a snapshot: its memory would not fit"
            " to what is in them later",
            hint="keep what is in them with the means of the guest, or take them out of the VM first",
        )
    if Path(paths.snapshot(name, snapshot)).exists():
        raise VmmError(
            f"VM {vm} has a snapshot {snapshot} already",
            hint=f"choose another name, or `vmm snapshot delete {vm} {snapshot}` first",
        )
    return record, record.process


def _flush_guest(paths: Paths, record: Record, tell: Tell) -> None:
    """Has the guest write its dirty pages, so that the disks alone are worth something too.

    Memory and disks are restored together, so a guest that does not answer loses nothing by it.
    """
    if not answers(record.spec, _CONNECT_S):
        return
    tell("flushing the guest's disks")
    with suppress(VmmError):
        run_in_guest(paths, record.spec, "sync", timeout_s=_SYNC_S)


def _describe(paths: Paths, snapshot: str, record: Record) -> Snapshot:
    return Snapshot(
        name=snapshot,
        created=now(),
        record=replace(record, process=None),
        root=str(paths.root),
        cpu=kvm.cpu_model(),
    )
