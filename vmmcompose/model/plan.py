"""A plan: what differs, why, and the steps that mend it. Reasons explain; they never decide."""

from dataclasses import dataclass
from typing import Literal

from vmmcompose.model.desired import Mount
from vmmcompose.model.problem import Problem
from vmmcompose.model.record import Process, Record
from vmmcompose.model.snapshot import Snapshot
from vmmcompose.model.spec import VmSpec


@dataclass(frozen=True, slots=True)
class WriteRecord:
    """Write a record: an intent before an effect, or a live change. Runs first, under the host lock."""

    record: Record


@dataclass(frozen=True, slots=True)
class CreateDisk:
    """Copy the image to the VM's root disk and grow it."""

    name: str
    image: str
    image_path: str
    image_digest: str
    size_mib: int


@dataclass(frozen=True, slots=True)
class GrowDisk:
    """Make a stopped VM's root disk bigger."""

    name: str
    size_mib: int


@dataclass(frozen=True, slots=True)
class DeleteDisk:
    """Delete a root disk: data is lost."""

    name: str


@dataclass(frozen=True, slots=True)
class WriteGuestFiles:
    """Put hostname, hosts, keys, fstab and the user's files into a stopped VM's root disk."""

    spec: VmSpec
    digest: str


@dataclass(frozen=True, slots=True)
class BuildMount:
    """Make a mount's image from its host directory."""

    name: str
    mount: Mount


@dataclass(frozen=True, slots=True)
class DeleteMount:
    """Delete the image of a mount that is no longer wanted."""

    name: str
    tag: str


@dataclass(frozen=True, slots=True)
class SyncNetwork:
    """Make bridge, sysctls and our chains what the records ask for now; without records, remove them."""


@dataclass(frozen=True, slots=True)
class CreateTap:
    """Create a VM's TAP on the bridge, or put right what is wrong with it."""

    spec: VmSpec


@dataclass(frozen=True, slots=True)
class DeleteTap:
    """Delete one of our TAPs."""

    tap: str


@dataclass(frozen=True, slots=True)
class StageDisks:
    """Copy a snapshot's disks beside a VM's own, which it may still use."""

    name: str
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class RestoreDisks:
    """Put the copies in the place of a stopped VM's disks: data is lost."""

    name: str
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class StartVm:
    """Start the VMM process and the guest in it."""

    spec: VmSpec
    snapshot: str = ""
    """The snapshot it goes on from, instead of booting; its disks are in place."""


@dataclass(frozen=True, slots=True)
class StopVm:
    """End a VMM process: first the guest is asked, then the process."""

    name: str
    vm_id: str
    driver: str
    process: Process
    grace_s: float
    then: Literal["stopped", "starting", "deleting"] = "stopped"
    """The record's state afterwards."""


@dataclass(frozen=True, slots=True)
class PauseVm:
    """Stop a running guest's CPUs where they are; its record says `paused` already."""

    spec: VmSpec


@dataclass(frozen=True, slots=True)
class ResumeVm:
    """Let a paused guest's CPUs run on, then say so in the record."""

    spec: VmSpec


@dataclass(frozen=True, slots=True)
class WaitVm:
    """Wait until a VM answers on SSH, or passes its healthcheck."""

    spec: VmSpec
    timeout_s: float


@dataclass(frozen=True, slots=True)
class SetClock:
    """Set a restored guest's clock, which may have stood still since its snapshot."""

    spec: VmSpec


@dataclass(frozen=True, slots=True)
class UpdatePeers:
    """Write /etc/hosts in a running guest."""

    spec: VmSpec


@dataclass(frozen=True, slots=True)
class DeleteVm:
    """Delete everything of a VM that has no process any more: record, disk, mounts, logs, keys, socket."""

    name: str
    vm_id: str


@dataclass(frozen=True, slots=True)
class SweepFile:
    """Delete a temporary or stale file that an interrupted command left."""

    path: str


Action = (
    WriteRecord
    | CreateDisk
    | GrowDisk
    | DeleteDisk
    | WriteGuestFiles
    | BuildMount
    | DeleteMount
    | SyncNetwork
    | CreateTap
    | DeleteTap
    | StageDisks
    | RestoreDisks
    | StartVm
    | StopVm
    | PauseVm
    | ResumeVm
    | WaitVm
    | SetClock
    | UpdatePeers
    | DeleteVm
    | SweepFile
)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something changes: a field with its old and new value, or an observation (`why`)."""

    field: str = ""
    old: str = ""
    new: str = ""
    why: str = ""


ChangeKind = Literal[
    "create",
    "update",
    "start",
    "stop",
    "pause",
    "resume",
    "restart",
    "restore",
    "replace",
    "repair",
    "delete",
]


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one thing (`vm/web`, `network`, `files`), for people and for JSON."""

    address: str
    kind: ChangeKind
    reasons: tuple[Reason, ...] = ()
    data_loss: str = ""
    """Which data goes, in words; empty where none does."""


@dataclass(frozen=True, slots=True)
class Step:
    """One action and the steps that must be done before it."""

    id: int
    address: str
    action: Action
    after: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes, the steps that make them, and what was noticed.

    A problem of severity `error` means that nothing of this plan may be applied.
    """

    project: str
    changes: tuple[Change, ...] = ()
    steps: tuple[Step, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """What `apply` tells while it walks a plan."""

    step: Step
    state: Literal["started", "progress", "done", "failed", "skipped"]
    detail: str = ""
    hint: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a plan's steps, by id."""

    done: tuple[int, ...] = ()
    failed: tuple[Event, ...] = ()
    skipped: tuple[Event, ...] = ()
