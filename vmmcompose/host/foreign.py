"""The records of the Go tool baremetalvmm, which lie in the same folder: read, and taken over one by one.

Facts: its `internal/vm/vm.go` (the fields of a record) and `cmd/vmm/start.go` (what a VM's files are called).
Taking over never moves data: a disk gets a second name (link(2)) first, and loses its old one last.
"""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmmcompose.errors import HostError
from vmmcompose.host.files import failed, make_dir, sync_dir, write_atomic
from vmmcompose.host.records import read_records
from vmmcompose.host.stored import write_disk_info
from vmmcompose.model.desired import DesiredVm, Forward, Mount
from vmmcompose.model.observed import DiskInfo
from vmmcompose.model.paths import Paths

KEPT = "baremetalvmm.json"
"""What the old record is called in the VM's folder afterwards."""
_IMAGE = "rootfs"
_KERNEL = "vmlinux.bin"
"""What the old tool calls its default image and kernel."""


@dataclass(frozen=True, slots=True)
class ForeignVm:
    """One VM of the old tool."""

    name: str
    path: str
    vm: DesiredVm
    """What it is, in our words, with its address as `ip`."""
    disk: str
    """Its root disk; empty where it was never started."""
    pid: int
    socket: str
    autostart: bool


def read_foreign(paths: Paths) -> tuple[list[ForeignVm], list[str]]:
    """The old tool's VMs, by name, and what is wrong with those that cannot be understood.

    Raises:
        HostError: the folder cannot be read.
    """
    found, wrong = [], []
    for bad in read_records(paths)[1]:
        if not bad.foreign:
            continue
        try:
            value = json.loads(Path(bad.path).read_text(encoding="utf-8"))
            found.append(_understand(paths, bad.name, bad.path, value))
        except (OSError, KeyError, TypeError, ValueError) as error:
            wrong.append(f"{bad.path} is not understood: {error}")
    return found, wrong


def is_running(vm: ForeignVm) -> bool:
    """Whether its Firecracker lives: a process of that pid that names its socket."""
    if vm.pid <= 0 or not vm.socket:
        return False
    try:
        words = Path(f"/proc/{vm.pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(vm.socket) in words


def keep(paths: Paths, vm: ForeignVm, name: str) -> None:
    """Puts a copy of the old record and a second name of its disk into the VM's folder; may be done twice.

    Raises:
        HostError: the disk lies on another file system, or something else has its new name.
    """
    make_dir(paths.vm_dir(name), 0o711)
    try:
        write_atomic(paths.vm_dir(name) / KEPT, Path(vm.path).read_bytes(), mode=0o600)
        if not vm.disk:
            return
        target = Path(paths.disk(name))
        if target.exists() and not target.samefile(vm.disk):
            raise HostError(f"{target} is there already", hint="move it away, if it is nothing")
        write_disk_info(paths, name, DiskInfo(vm.vm.image, ""))
        if not target.exists():
            os.link(vm.disk, target, follow_symlinks=False)
            sync_dir(target.parent)
    except OSError as error:
        raise failed(f"cannot take over the files of VM {vm.name}", error) from error


def give_back(paths: Paths, vm: ForeignVm, name: str) -> None:
    """Takes away what `keep` has made, where the VM did not become ours after all."""
    disk = str(paths.disk(name))
    with suppress(OSError):
        if not vm.disk or vm.disk == disk or not os.path.samefile(vm.disk, disk):
            return
        os.unlink(disk)
        os.unlink(str(paths.disk_info(name)))
        os.unlink(str(paths.vm_dir(name) / KEPT))
        os.rmdir(str(paths.vm_dir(name)))


def forget(paths: Paths, vm: ForeignVm, name: str) -> None:
    """Takes the old names away, once the VM is ours."""
    if vm.disk and not os.path.samefile(vm.disk, str(paths.disk(name))):
        return
    if vm.disk and vm.disk != str(paths.disk(name)):
        with suppress(OSError):
            os.unlink(vm.disk)
    if vm.path != str(paths.record(name)):
        with suppress(OSError):
            os.unlink(vm.path)


def _understand(paths: Paths, name: str, path: str, value: dict[str, Any]) -> ForeignVm:
    mounts = {m["guest_tag"]: m for m in value.get("mounts") or ()}
    key = value.get("ssh_public_key") or ""
    vm = DesiredVm(
        name=name,
        image=value.get("image") or _IMAGE,
        kernel=_kernel(paths, value.get("kernel") or ""),
        cpus=_positive(value, "cpus"),
        memory_mib=_positive(value, "memory_mb"),
        disk_mib=_positive(value, "disk_size_mb"),
        ssh_keys=tuple(line.strip() for line in key.splitlines() if line.strip()),
        dns=tuple(str(server) for server in value.get("dns_servers") or ()),
        ip=str(value.get("ip_address") or ""),
        mounts=tuple(
            sorted(
                Mount(tag, str(m["host_path"]), "ro" if m.get("read_only") else "rw")
                for tag, m in mounts.items()
            )
        ),
        ports=tuple(sorted(_forward(one) for one in value.get("port_forwards") or ())),
        power="stopped",
    )
    disk = str(value.get("rootfs_path") or "")
    return ForeignVm(
        name=name,
        path=path,
        vm=vm,
        disk=disk if disk and os.path.isfile(disk) else "",
        pid=int(value.get("pid") or 0),
        socket=str(value.get("socket_path") or ""),
        autostart=bool(value.get("auto_start")),
    )


def _kernel(paths: Paths, name: str) -> str:
    """A kernel of the store, or the old tool's file by its path: it keeps plain files there."""
    if name and paths.kernel(name) and os.path.isdir(str(paths.kernel(name))):
        return name
    file = str(paths.kernel(name or _KERNEL))
    return file if os.path.isfile(file) else "default"


def _positive(value: dict[str, Any], key: str) -> int:
    number = value[key]
    if type(number) is not int or number < 1:
        raise ValueError(f"{key} is {number!r}")
    return number


def _forward(value: dict[str, Any]) -> Forward:
    protocol = value.get("protocol") or "tcp"
    if protocol not in ("tcp", "udp"):
        raise ValueError(f"a forward for {protocol!r}")
    return Forward(int(value["host_port"]), int(value["guest_port"]), "udp" if protocol == "udp" else "tcp")
