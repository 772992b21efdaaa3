"""One short function per action, chosen by one `match`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import assert_never

from vmmcompose.apply.context import Context, Progress, now
from vmmcompose.apply.guests import pause_vm, resume_vm, set_clock, start_vm, stop_vm, update_peers, wait_vm
from vmmcompose.apply.mounts import build_mount, delete_mount, swap_mount, sync_mount
from vmmcompose.apply.provision import run_provision
from vmmcompose.errors import HostError, NoSpace
from vmmcompose.guest import FSTAB, guest_files, removals
from vmmcompose.host import disks, ext4, keys, locks, network, records, snapshots, stored, volumes
from vmmcompose.host.files import make_dir, remove_tree, unlink
from vmmcompose.model.actions import (
    Action,
    BuildMount,
    CreateDisk,
    CreateTap,
    CreateVolume,
    DeleteDisk,
    DeleteMount,
    DeleteTap,
    DeleteVm,
    DeleteVolume,
    GrowDisk,
    GrowVolume,
    PauseVm,
    RestoreDisks,
    ResumeVm,
    RunProvision,
    SetClock,
    StageDisks,
    StartVm,
    StopVm,
    SwapMount,
    SweepFile,
    SyncMount,
    SyncNetwork,
    UpdatePeers,
    WaitVm,
    WriteGuestFiles,
    WriteRecord,
)
from vmmcompose.model.observed import DiskInfo
from vmmcompose.model.record import NETWORKED

ENVIRONMENT = "/etc/environment"


def run_action(context: Context, action: Action, progress: Progress) -> None:  # noqa: C901, PLR0912, PLR0915 - one arm each
    """Does one action.

    Raises:
        VmmError: it could not be done; nothing half done is left that a new plan would not see.
    """
    match action:
        case WriteRecord():
            write_record(context, action)
        case RunProvision():
            run_provision(context, action, progress)
        case SyncNetwork():
            sync_network(context)
        case CreateDisk():
            create_disk(context, action, progress)
        case GrowDisk():
            grow_disk(context, action)
        case DeleteDisk():
            delete_disk(context, action)
        case WriteGuestFiles():
            write_guest_files(context, action)
        case BuildMount():
            build_mount(context, action, progress)
        case DeleteMount():
            delete_mount(context, action)
        case SwapMount():
            swap_mount(context, action, progress)
        case SyncMount():
            sync_mount(context, action, progress)
        case CreateVolume():
            volumes.create_volume(context.paths, action.project, action.volume, action.size_mib)
        case GrowVolume():
            volumes.grow_volume(context.paths, action.project, action.volume, action.size_mib)
        case DeleteVolume():
            volumes.delete_volume(context.paths, action.project, action.volume)
        case CreateTap():
            network.create_tap(action.spec, context.settings)
        case DeleteTap():
            network.delete_tap(action.tap)
        case StageDisks():
            snapshots.stage_disks(context.paths, action.name, action.snapshot, context.check)
        case RestoreDisks():
            snapshots.put_in_place(context.paths, action.name, action.snapshot)
        case StartVm():
            start_vm(context, action)
        case StopVm():
            stop_vm(context, action, progress)
        case PauseVm():
            pause_vm(context, action)
        case ResumeVm():
            resume_vm(context, action)
        case WaitVm():
            wait_vm(context, action, progress)
        case SetClock():
            set_clock(context, action, progress)
        case UpdatePeers():
            update_peers(context, action)
        case DeleteVm():
            delete_vm(context, action)
        case SweepFile():
            sweep_file(context, action)
        case _:
            assert_never(action)


def write_record(context: Context, action: WriteRecord) -> None:
    """Writes an intent; the time of creation is set the first time."""
    record = action.record
    try:
        records.write_record(context.paths, record if record.created else replace(record, created=now()))
    except NoSpace:
        # Deleting makes room. If it is interrupted, the old record still shows what is left of the VM.
        if record.state != "deleting":
            raise


def sync_network(context: Context) -> None:
    """Makes the host's network what the records ask for at this moment, whoever changed them.

    It is not taken away while a record cannot be read: its VM may run.
    """
    with locks.hold(context.paths.lock("host"), "the host's network"):
        known, unreadable = records.read_records(context.paths)
        wanted = [record for record in known if record.state in NETWORKED]
        if not wanted and any(not bad.foreign for bad in unreadable):
            return
        network.sync_network(wanted, context.settings, context.paths)


def create_disk(context: Context, action: CreateDisk, progress: Progress) -> None:
    """Copies the image. The sidecar goes first: a disk without one would have an unknown origin."""
    paths = context.paths
    make_dir(paths.vm_dir(action.name), 0o711)
    stored.write_disk_info(paths, action.name, DiskInfo(action.image, action.image_digest))
    progress(f"copying {action.image}")
    disks.copy_image(PurePosixPath(action.image_path), paths.disk(action.name), action.size_mib)


def grow_disk(context: Context, action: GrowDisk) -> None:
    """Makes a root disk bigger."""
    with _root_disk(context, action.name):
        disks.grow_disk(context.paths.disk(action.name), action.size_mib)


@contextmanager
def _root_disk(context: Context, name: str) -> Iterator[None]:
    """A root disk that turns out to be damaged in this block is not a bad image: its guest's data is at stake."""
    try:
        yield
    except NoSpace:
        raise
    except HostError as error:
        vm = context.record(name).spec.vm
        raise HostError(
            f"the root disk of VM {vm} cannot be used: {error.message}",
            hint=f"put a copy of {context.paths.disk(name)} back, or begin anew from the image, which loses what"
            f" is on it: vmm up --recreate {vm}",
        ) from error


def delete_disk(context: Context, action: DeleteDisk) -> None:
    """Deletes a root disk, its sidecar, and what was remembered of files carried to it."""
    paths = context.paths
    for path in (paths.disk(action.name), paths.disk_info(action.name)):
        unlink(path)
    for carried in Path(paths.watch_base(action.name, "")).parent.glob("watch-*.json"):
        unlink(carried)


def write_guest_files(context: Context, action: WriteGuestFiles) -> None:
    """Puts the VM's files into its disk; the sidecar tells whether they are all there."""
    paths, spec = context.paths, action.spec
    disk = paths.disk(spec.name)
    seen = stored.read_disk(paths, spec.name)
    info = seen.info if seen is not None and seen.info is not None else DiskInfo(spec.image, "")
    stored.write_disk_info(paths, spec.name, replace(info, files_digest=""))
    with _root_disk(context, spec.name):
        disks.check_disk(disk)
    found = ext4.read_files(disk, [FSTAB, ENVIRONMENT])
    existing = {
        path: (found.get(path) or b"").decode(errors="surrogateescape") for path in (FSTAB, ENVIRONMENT)
    }
    private, public = keys.host_key(paths, spec.name)
    entries = guest_files(
        spec,
        managed_key=keys.managed_key(paths),
        host_key=private,
        host_key_pub=public,
        existing_fstab=existing[FSTAB],
        existing_environment=existing[ENVIRONMENT],
    )
    ext4.write_files(disk, entries, remove=removals())
    stored.write_disk_info(paths, spec.name, replace(info, files_digest=action.digest))


def delete_vm(context: Context, action: DeleteVm) -> None:
    """Deletes all files of a VM, the record last: until then the next plan sees it."""
    paths = context.paths
    unlink(paths.socket(action.vm_id))
    name = action.name
    for folder in (paths.mount_dir(name), paths.snapshots(name), paths.logs(name), paths.vm_dir(name)):
        remove_tree(folder)
    unlink(paths.known_hosts(action.name))
    records.delete_record(paths, action.name)


def sweep_file(context: Context, action: SweepFile) -> None:
    """Deletes what an interrupted command left; never anything outside the data folder."""
    path = PurePosixPath(action.path)
    if not path.is_relative_to(context.paths.root):
        raise HostError(f"{path} is not below {context.paths.root}")
    remove_tree(path)
