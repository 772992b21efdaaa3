"""The door to volumes: ext4 images that outlive the VMs they are attached to.

A volume is made under a temporary name, grown only while nobody uses it, and never made smaller. What changes images
is imported where it is used: every command reads which volumes there are, and few change one.
"""

import os
from contextlib import suppress
from pathlib import Path

from vmmcompose.errors import HostError
from vmmcompose.guest import volume_label
from vmmcompose.host import e2fs, process
from vmmcompose.host.files import failed, make_dir, replacing, sync_dir
from vmmcompose.model.observed import VolumeImage
from vmmcompose.model.paths import Paths

_SUFFIX = ".ext4"


def read_volumes(paths: Paths, project: str) -> dict[str, VolumeImage]:
    """A project's volumes, by name; none for VMs without a project."""
    if not project:
        return {}
    folder = str(paths.volume_dir(project))
    try:
        entries = sorted(os.listdir(folder))
    except OSError:
        return {}
    found = {}
    for entry in entries:
        if entry.endswith(_SUFFIX):
            with suppress(FileNotFoundError):
                path = f"{folder}/{entry}"
                found[entry.removesuffix(_SUFFIX)] = VolumeImage(
                    e2fs.file_system_size(path), e2fs.fault_of(path)
                )
    return found


def projects(paths: Paths) -> list[str]:
    """Projects that have a folder for volumes."""
    try:
        return sorted(os.listdir(str(paths.volumes())))
    except OSError:
        return []


def create_volume(paths: Paths, project: str, volume: str, size_mib: int) -> None:
    """Makes an empty volume. One process. It is there whole or not at all, and takes hardly any room at first.

    Raises:
        HostError: there is one already, or the system refused.
        NoSpace: the host's disk is full.
    """
    from vmmcompose.host import ext4

    target = Path(paths.volume(project, volume))
    make_dir(paths.volumes(), 0o755)
    make_dir(target.parent, 0o755)
    if target.exists():
        raise HostError(f"there is a volume {volume} already", hint="run the command again")
    with replacing(target, "make the volume") as temp:
        ext4.make_image(None, temp, label=volume_label(volume), size_mib=size_mib)
    try:
        sync_dir(target.parent.parent)
    except OSError as error:
        raise failed(f"cannot flush {target.parent.parent}", error) from error


def grow_volume(paths: Paths, project: str, volume: str, size_mib: int) -> None:
    """Makes a volume bigger that no running VM has. Interrupted at any moment, it can simply be repeated.

    Raises:
        HostError: a VMM has it open, it is damaged, or bigger than `size_mib` already.
        NoSpace: the host's disk is full.
    """
    from vmmcompose.host import disks

    _require_unused(paths, project, volume, writing=True)
    disks.grow_disk(paths.volume(project, volume), size_mib)


def check_volume(paths: Paths, project: str, volume: str, *, writing: bool) -> None:
    """Makes a volume fit for use: replays its journal if its guest was cut off. No process where it is in order.

    Raises:
        HostError: a VMM has it open and one of the two writes, it is missing, damaged, or has another label than its
            guest looks for.
    """
    from vmmcompose.host import disks, ext4

    _require_unused(paths, project, volume, writing=writing)
    path = paths.volume(project, volume)
    disks.check_disk(path)
    wanted, label = volume_label(volume), ext4.image_label(path)
    if label != wanted:
        raise HostError(
            f"its label is {label!r}, and its guest looks for {wanted}", hint=f"`e2label {path} {wanted}`"
        )


def delete_volume(paths: Paths, project: str, volume: str) -> None:
    """Deletes a volume, and the project's folder with the last one. A missing one is no error.

    Raises:
        HostError: a VMM has it open, or the system refused.
    """
    _require_unused(paths, project, volume, writing=True)
    path = Path(paths.volume(project, volume))
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise failed(f"cannot delete {path}", error) from error
    for folder in (path.parent, path.parent.parent):
        with suppress(OSError):  # others are in it
            folder.rmdir()


def _require_unused(paths: Paths, project: str, volume: str, *, writing: bool) -> None:
    """Asks the kernel and not the records: a VMM that nobody remembers may have it, and two writers ruin it."""
    path = paths.volume(project, volume)
    try:
        wanted = os.stat(path)
    except OSError:
        return  # whoever needs it will say so
    for found in process.scan(str(paths.sockets())):
        if _has_open(found.process.pid, wanted, writing=writing):
            pid = found.process.pid
            raise HostError(
                f"{found.driver} process {pid} has it open",
                hint=f"end that VM first, or the process: kill {pid}",
            )


def _has_open(pid: int, wanted: os.stat_result, *, writing: bool) -> bool:
    """Whether a process has a file open; unless we write ourselves, only if it may write to it."""
    folder = f"/proc/{pid}/fd"
    try:
        numbers = os.listdir(folder)
    except OSError:  # it has ended
        return False
    for number in numbers:
        with suppress(OSError):
            status = os.stat(f"{folder}/{number}")
            if (status.st_dev, status.st_ino) == (wanted.st_dev, wanted.st_ino):
                info = Path(f"/proc/{pid}/fdinfo/{number}").read_text()
                flags = int(info.split("flags:")[1].split()[0], 8)
                if writing or flags & os.O_ACCMODE != os.O_RDONLY:
                    return True
    return False
