"""What can be done on a host: one small value for each, with everything that doing it needs."""

from dataclasses import dataclass
from typing import Literal

from vmmcompose.model.desired import Mount, Provision
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
class SwapMount:
    """Make a read-only mount's image anew and put it in the place of the one that a running guest has mounted."""

    spec: VmSpec
    mount: Mount


@dataclass(frozen=True, slots=True)
class SyncMount:
    """Compare a mount in a running guest with its host directory, and carry over what differs."""

    spec: VmSpec
    mount: Mount


@dataclass(frozen=True, slots=True)
class CreateVolume:
    """Make a project's volume, empty."""

    project: str
    volume: str
    size_mib: int


@dataclass(frozen=True, slots=True)
class GrowVolume:
    """Make a volume bigger that no running VM holds."""

    project: str
    volume: str
    size_mib: int


@dataclass(frozen=True, slots=True)
class DeleteVolume:
    """Delete a volume: data is lost."""

    project: str
    volume: str


@dataclass(frozen=True, slots=True)
class RunProvision:
    """Run a provision script in a guest that answers on SSH, then note in the disk's sidecar that it was run."""

    spec: VmSpec
    provision: Provision


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
    until: Literal["ready", "ssh"] = "ready"
    """`ssh` waits for an answer on SSH whatever the healthcheck is."""


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
    | SwapMount
    | SyncMount
    | CreateVolume
    | GrowVolume
    | DeleteVolume
    | RunProvision
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
