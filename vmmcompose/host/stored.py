"""What lies in the data folder beside the records: disks, mount images, and what was left half done."""

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from vmmcompose.host.e2fs import fault_of, file_system_size
from vmmcompose.host.files import write_atomic
from vmmcompose.host.process import identify
from vmmcompose.model.observed import Disk, DiskInfo, MountImage
from vmmcompose.model.paths import Paths

DOWNLOAD_KEEP_S = 7 * 86_400
"""How long an interrupted download waits to be gone on with."""
_TEMPORARY = re.compile(r"\.tmp\.([0-9]+)$")


def read_disk(paths: Paths, name: str) -> Disk | None:
    """A VM's root disk; None where there is none."""
    try:
        size = file_system_size(paths.disk(name))
    except OSError:
        return None
    return Disk(size, read_disk_info(paths, name), fault_of(paths.disk(name)))


def read_disk_info(paths: Paths, name: str) -> DiskInfo | None:
    """What a root disk was made from; None where its sidecar is missing or unreadable."""
    value = _read_json(paths.disk_info(name))
    try:
        scripts = tuple(map(str, value.pop("provisioned", ())))
        known = bool(value) and all(isinstance(item, str) for item in value.values())
        return DiskInfo(**value, provisioned=scripts) if known else None
    except TypeError:
        return None


def write_disk_info(paths: Paths, name: str, info: DiskInfo) -> None:
    """Writes a root disk's sidecar.

    Raises:
        HostError: it could not be written.
    """
    write_atomic(paths.disk_info(name), json.dumps(asdict(info), sort_keys=True).encode(), mode=0o644)


def read_mount(paths: Paths, name: str, tag: str) -> MountImage | None:
    """A mount's image; None where it is missing or was not finished, empty fields where nobody can tell."""
    info = paths.mount_info(name, tag)
    if not os.path.exists(str(paths.mount(name, tag))) or not os.path.exists(str(info)):
        return None
    found = _read_json(info)
    texts = [found.get(key) for key in ("source", "mode", "digest", "sync", "owner")]
    source, mode, digest, sync, owner = (item if isinstance(item, str) else "" for item in texts)
    ignore = found.get("ignore")
    patterns = tuple(map(str, ignore)) if isinstance(ignore, list) else ()
    return MountImage(source, mode, digest, sync or "none", patterns, owner)


def mount_tags(paths: Paths, name: str) -> list[str]:
    """Tags of the mount images a VM has, finished or not."""
    return sorted(
        {entry.split(".")[0] for entry in _list(paths.mount_dir(name)) if not _TEMPORARY.search(entry)}
    )


def folders(paths: Paths) -> frozenset[str]:
    """Names of VMs with a folder for disks, mounts or logs."""
    found: set[str] = set()
    for parent in (paths.vms(), paths.root / "mounts", paths.root / "logs", paths.all_snapshots()):
        found |= {entry for entry in _list(parent) if "." not in entry}
    return frozenset(found)


def leftovers(paths: Paths) -> tuple[str, ...]:
    """Temporary files and folders whose writer is gone, and downloads that nobody has gone on with for a week."""
    orphaned = [path for path in _temporaries(paths) if _orphaned(path)]
    return tuple(sorted([*orphaned, *_forgotten(paths.downloads())]))


def _forgotten(folder: PurePosixPath) -> Iterator[str]:
    for entry in _list(folder):
        with suppress(OSError):
            if time.time() - os.stat(str(folder / entry)).st_mtime > DOWNLOAD_KEEP_S:
                yield str(folder / entry)


def _temporaries(paths: Paths) -> Iterator[str]:
    flat = [paths.root, paths.vms(), paths.kernels(), paths.rootfs(), paths.state(), paths.ssh_dir()]
    flat.append(paths.ssh_dir() / "known_hosts")
    nested = [paths.vms() / name for name in _list(paths.vms()) if "." not in name]
    nested += [paths.root / "mounts" / name for name in _list(paths.root / "mounts")]
    nested += [paths.snapshots(name) for name in _list(paths.all_snapshots())]
    nested += [paths.volume_dir(project) for project in _list(paths.volumes())]
    for folder in (*flat, *nested):
        for entry in _list(folder):
            if _TEMPORARY.search(entry):
                yield str(folder / entry)


def _orphaned(path: str) -> bool:
    match = _TEMPORARY.search(path)
    pid = int(match[1]) if match else 0
    return pid != os.getpid() and identify(pid) is None


def _list(folder: PurePosixPath) -> list[str]:
    try:
        return os.listdir(str(folder))
    except OSError:
        return []


def _read_json(path: PurePosixPath) -> dict[str, Any]:
    try:
        with open(str(path), encoding="utf-8") as file:
            value = json.load(file)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
