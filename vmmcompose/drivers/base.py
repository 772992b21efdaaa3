"""What a driver is: the one interface between a VM's spec and the process that runs it."""

from dataclasses import dataclass
from typing import Literal, Protocol

from vmmcompose.model.capabilities import Capabilities
from vmmcompose.model.observed import HostFacts, Kernel
from vmmcompose.model.paths import Paths
from vmmcompose.model.problem import Problem
from vmmcompose.model.record import Process
from vmmcompose.model.spec import VmSpec


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything a driver needs to start a VM; TAP, disk and mount images exist already."""

    spec: VmSpec
    paths: Paths
    kernel: Kernel
    binary: str
    """Path of the VMM program."""
    kvm: bool
    """Whether the accelerator may be used (qemu falls back to tcg)."""


@dataclass(frozen=True, slots=True)
class MemoryFiles:
    """A guest's memory on the host's disk: its pages, and the state of its CPUs and devices."""

    state: str
    memory: str


Status = Literal["running", "paused", "starting", "halted", "gone", "unresponsive"]


class Driver(Protocol):
    """A way to run VMs. All members are mandatory; what it cannot do is missing from `capabilities`."""

    name: str
    capabilities: Capabilities

    def check(self, spec: VmSpec, host: HostFacts) -> list[Problem]:
        """What about this spec this driver cannot do. Pure."""

    def start(self, launch: Launch) -> Process:
        """Start the VMM in its own session and the guest in it; returns when the guest's CPUs run.

        Raises:
            DriverError: it did not start. Nothing is left behind: no process, no socket file.
        """

    def probe(self, paths: Paths, vm_id: str, process: Process) -> Status:
        """Ask the VMM how it is, with a short timeout."""

    def pause(self, paths: Paths, vm_id: str) -> None:
        """Stop a running guest's CPUs where they are; pausing a paused one changes nothing.

        Raises:
            DriverError: refused, or no answer.
        """

    def resume(self, paths: Paths, vm_id: str) -> None:
        """Let a paused guest's CPUs run on; resuming a running one changes nothing.

        Raises:
            DriverError: refused, or no answer.
        """

    def stop(self, paths: Paths, vm_id: str, process: Process, grace_s: float) -> None:
        """Ask the guest to shut down, wait `grace_s` seconds, then TERM, then KILL; unlink the socket.

        A paused guest is resumed first: one that stands still cannot shut down.

        A process that is gone already is no error.

        Raises:
            DriverError: the process could not be ended.
        """


class Snapshotter(Protocol):
    """What a driver with the capability `snapshot` does besides."""

    def snapshot(self, paths: Paths, vm_id: str, files: MemoryFiles) -> None:
        """Write a paused guest's memory and state to new files; its disks are the caller's matter.

        Raises:
            DriverError: refused, or no answer.
        """

    def load(self, launch: Launch, files: MemoryFiles) -> Process:
        """Start a VMM whose guest goes on where `snapshot` left it, with the same id, TAP and disks' paths.

        The files are read while the guest runs, so they must stay as they are; they may be unlinked.

        Raises:
            DriverError: it did not start. Nothing is left behind: no process, no socket file.
        """

    def snapshot_fault(self, binary: str, files: MemoryFiles) -> str:
        """Why this program cannot load these files, as far as they say it themselves; empty where it can."""


class Swapper(Protocol):
    """What a driver with the capability `swap_drive` does besides."""

    def swap_drive(self, paths: Paths, vm_id: str, position: int, path: str) -> None:
        """Give the drive of a running guest's read-only mount another file, or the same at its new size.

        `position` is the mount's in the spec, counted from 0. The guest must not have it mounted meanwhile.

        Raises:
            DriverError: refused, or no answer; the drive has its old file then.
        """
