"""The door to memory snapshots: a folder each, there whole or not at all.

    snapshots/<vm>/<name>/state, memory        what the driver wrote
                         root.ext4, root.json  the root disk and its sidecar
                         mounts/<tag>.ext4, .json
                         snapshot.json         the description, for everyone; written last
                         secrets.json          the part of it that only root may read

A folder is made under a temporary name and renamed when all of it is on the disk; it loses its name before it is
removed.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from vmmcompose.errors import HostError, NoSpace
from vmmcompose.host import disks
from vmmcompose.host.files import failed, make_dir, remove_tree, sync_dir, temp_path, write_atomic
from vmmcompose.model.codec import snapshot_from_json, snapshot_to_json
from vmmcompose.model.paths import Paths
from vmmcompose.model.snapshot import Snapshot, UnreadableSnapshot

STATE, MEMORY, DISK = "state", "memory", "root.ext4"
_DESCRIPTION, _SECRETS, _MOUNTS = "snapshot.json", "secrets.json", "mounts"
_MIB = 1 << 20
_SPARE = 64 * _MIB
"""Bytes that must stay free on the host's disk."""

Tags = Iterable[str]
"""Tags of a VM's mounts."""
Cancel = Callable[[], None]
"""Called now and then while something is copied; raises to end it."""


def read_snapshots(paths: Paths, name: str) -> tuple[Snapshot | UnreadableSnapshot, ...]:
    """A VM's snapshots, oldest first; what cannot be read comes before them."""
    try:
        entries = sorted(entry for entry in os.listdir(str(paths.snapshots(name))) if ".tmp." not in entry)
    except OSError:
        return ()
    found = [read_snapshot(paths, name, entry) for entry in entries]
    return tuple(sorted(found, key=lambda one: one.created if isinstance(one, Snapshot) else ""))


def read_snapshot(paths: Paths, name: str, snapshot: str) -> Snapshot | UnreadableSnapshot:
    """One snapshot's description."""
    folder = paths.snapshot(name, snapshot)
    try:
        public = json.loads(Path(folder / _DESCRIPTION).read_bytes())
        try:
            secret = json.loads(Path(folder / _SECRETS).read_bytes())
        except FileNotFoundError:
            secret = {}
        except PermissionError:
            secret = None
        return snapshot_from_json(public, secret)
    except OSError as error:
        return UnreadableSnapshot(snapshot, error.strerror or str(error))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        return UnreadableSnapshot(snapshot, f"its description cannot be read: {error}")


def size_on_disk(paths: Paths, name: str, snapshot: str) -> int:
    """Bytes that a snapshot takes; blocks shared by a reflink count as well."""
    return sum(path.stat().st_blocks * 512 for path in Path(paths.snapshot(name, snapshot)).rglob("*"))


def require_room(paths: Paths, name: str, tags: Tags, memory_mib: int) -> None:
    """Refuses to begin what would not fit: memory, and disks where copies do not share blocks.

    Raises:
        NoSpace: it would not fit.
    """
    folder = paths.snapshots(name)
    make_dir(folder, 0o755)
    need = memory_mib * _MIB + _SPARE
    if not disks.can_reflink(folder):
        need += sum(source.stat().st_blocks * 512 for source, _ in _disks(paths, name, tags, Path(folder)))
    free = shutil.disk_usage(folder).free
    if free < need:
        raise NoSpace(
            f"a snapshot of {name} takes up to {need // _MIB} MiB, and {folder} has {free // _MIB} MiB free",
            hint="`vmm snapshot list` shows what can go, `vmm snapshot delete` takes it away",
        )


def begin(paths: Paths, name: str, snapshot: str) -> Path:
    """Makes the folder that becomes the snapshot, under a temporary name.

    Raises:
        HostError: it cannot be made.
    """
    temp = temp_path(paths.snapshot(name, snapshot))
    remove_tree(temp)
    make_dir(temp, 0o755)
    make_dir(temp / _MOUNTS, 0o755)
    return temp


def copy_disks(paths: Paths, name: str, tags: Tags, temp: Path, cancel: Cancel) -> None:
    """Copies a paused VM's disks and their sidecars into the snapshot.

    Raises:
        HostError: something could not be copied.
    """
    for source, target in _disks(paths, name, tags, temp):
        disks.copy_disk(source, target, lambda _done, _total: cancel())


def publish(paths: Paths, name: str, temp: Path, snapshot: Snapshot) -> None:
    """Describes the snapshot, puts everything on the disk, and gives the folder its name.

    Raises:
        HostError: it could not be written, or another has that name meanwhile.
    """
    _dig_holes(temp / MEMORY)
    public, secret = snapshot_to_json(snapshot)
    if secret:
        write_atomic(temp / _SECRETS, json.dumps(secret).encode(), mode=0o600)
    write_atomic(temp / _DESCRIPTION, json.dumps(public, indent=1, sort_keys=True).encode(), mode=0o644)
    target = Path(paths.snapshot(name, snapshot.name))
    try:
        for path in [*temp.rglob("*"), temp]:
            if path.name in (STATE, MEMORY):
                path.chmod(0o600)
            sync_dir(path)
        if target.exists():
            raise HostError(f"there is a snapshot {snapshot.name} already", hint="choose another name")
        temp.rename(target)
        sync_dir(target.parent)
    except OSError as error:
        raise failed(f"cannot keep the snapshot in {target}", error) from error


def stage_disks(paths: Paths, name: str, snapshot: Snapshot, cancel: Cancel) -> None:
    """Copies a snapshot's disks beside the VM's own, under temporary names; the VM may run meanwhile.

    Raises:
        HostError: something is missing, or the disk is full; no copy is left.
    """
    staged = [(source, _staged(target)) for target, source in _kept(paths, name, snapshot)]
    make_dir(paths.mount_dir(name), 0o755)
    try:
        for source, temp in staged:
            temp.unlink(missing_ok=True)
            disks.copy_disk(source, temp, lambda _done, _total: cancel())
            _flush(temp)
    except BaseException:
        for _, temp in staged:
            with suppress(OSError):
                temp.unlink(missing_ok=True)
        raise


def put_in_place(paths: Paths, name: str, snapshot: Snapshot) -> None:
    """Gives the copies of `stage_disks`, made by this process, the names of a stopped VM's disks.

    Interrupted in the middle, every disk is an old one or a new one as a whole. A root disk between its old and
    its new sidecar has none, so that nobody takes it for what it is not.

    Raises:
        HostError: the system refused.
    """
    try:
        Path(paths.disk_info(name)).unlink(missing_ok=True)
        for tag in snapshot.tags:  # an older image must not read as what its guest changed
            Path(paths.mount_base(name, tag)).unlink(missing_ok=True)
        for target, _ in _kept(paths, name, snapshot):
            _staged(target).rename(target)
            sync_dir(target.parent)
    except OSError as error:
        raise failed(f"cannot put the disks of {snapshot.name} in place", error) from error


def _kept(paths: Paths, name: str, snapshot: Snapshot) -> list[tuple[Path, Path]]:
    """A VM's sidecars and disks, and their like in the snapshot. Sidecars are files too small to be missed."""
    folder = Path(paths.snapshot(name, snapshot.name))
    return list(_disks(paths, name, snapshot.tags, folder))


def _staged(target: Path) -> Path:
    """The name of a copy that waits for its turn: this process's, whichever thread takes it up again."""
    return Path(f"{target}.tmp.{os.getpid()}")


def _flush(path: Path) -> None:
    try:
        sync_dir(path)
    except OSError as error:
        raise failed(f"cannot flush {path}", error) from error


def delete_snapshot(paths: Paths, name: str, snapshot: str) -> None:
    """Deletes a snapshot. A VM that was restored from it and runs keeps its memory.

    Raises:
        HostError: the system refused.
    """
    folder = Path(paths.snapshot(name, snapshot))
    temp = temp_path(folder)
    remove_tree(temp)
    try:
        folder.rename(temp)
    except FileNotFoundError:
        return
    except OSError as error:
        raise failed(f"cannot delete {folder}", error) from error
    remove_tree(temp)
    with suppress(OSError):
        folder.parent.rmdir()


def _dig_holes(memory: Path) -> None:
    """Pages of zeros become holes: most of a small guest's memory was never touched. Only a courtesy."""
    with suppress(OSError):
        subprocess.run(["fallocate", "--dig-holes", memory], check=False, capture_output=True)


def _disks(paths: Paths, name: str, tags: Tags, folder: Path) -> Iterator[tuple[Path, Path]]:
    """Where each sidecar and disk of a VM lies, and where in a snapshot's folder it belongs."""
    for tag in tags:
        yield Path(paths.mount_info(name, tag)), folder / _MOUNTS / f"{tag}.json"
        yield Path(paths.mount(name, tag)), folder / _MOUNTS / f"{tag}.ext4"
    yield Path(paths.disk(name)), folder / DISK
    yield Path(paths.disk_info(name)), folder / "root.json"
