"""The devices of the stand-in's machine. Files and TAPs are opened as the real one opens them."""

import errno
import fcntl
import os
import socket
import struct
from typing import Any

_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
_COMMAND_LINE = 2048
_LINES = 17
_MACHINE: dict[str, Any] = {
    "vcpu_count": 1,
    "mem_size_mib": 128,
    "smt": False,
    "track_dirty_pages": False,
    "huge_pages": "None",
}


class Refused(Exception):
    """A request that makes no sense now, with the reason."""


class Devices:
    """What was configured, and the descriptors that are held for it."""

    def __init__(self) -> None:
        self.machine: dict[str, Any] = dict(_MACHINE)
        self.boot_source: dict[str, Any] = {}
        self.serial: dict[str, Any] = {}
        self.drives: dict[str, dict[str, Any]] = {}
        self.networks: dict[str, dict[str, Any]] = {}
        self.single: dict[str, Any] = {}
        self._held: dict[tuple[str, str], int] = {}

    def whole(self) -> object:
        """What GET /vm/config shows."""
        drives = sorted(self.drives.values(), key=lambda drive: not drive["is_root_device"])
        one_of_each = {name: self.single.get(name) for name in ("balloon", "vsock", "entropy", "mmds-config")}
        return one_of_each | {
            "boot-source": self.boot_source,
            "drives": drives,
            "machine-config": self.machine,
            "network-interfaces": list(self.networks.values()),
        }

    def as_state(self) -> dict[str, Any]:
        """Everything that a snapshot keeps."""
        return {
            "machine": self.machine,
            "boot_source": self.boot_source,
            "drives": list(self.drives.values()),
            "networks": list(self.networks.values()),
            "single": self.single,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Be what a snapshot kept, with the files and TAPs there are now."""
        self.machine, self.boot_source, self.single = state["machine"], state["boot_source"], state["single"]
        for drive in state["drives"]:
            self.put_drive(drive)
        for network in state["networks"]:
            self.put_network(network)

    def put_boot_source(self, value: dict[str, Any]) -> None:
        for name in ("kernel_image_path", "initrd_path"):
            if value.get(name) is not None:
                _open_and_close(value[name], f"Boot source error: {name}")
        if len((value.get("boot_args") or "").encode()) >= _COMMAND_LINE:
            raise Refused("Boot source error: the command line is too long")
        self.boot_source = {name: part for name, part in value.items() if part is not None}

    def put_machine(self, value: dict[str, Any]) -> None:
        self.patch_machine({"smt": False, "track_dirty_pages": False, "huge_pages": "None"} | value)

    def patch_machine(self, value: dict[str, Any]) -> None:
        new = self.machine | {name: part for name, part in value.items() if part is not None}
        cpus, memory = new["vcpu_count"], new["mem_size_mib"]
        if not 1 <= cpus <= 32 or (new["smt"] and cpus > 1 and cpus % 2):
            raise Refused("Machine config error: so many CPUs there cannot be")
        if memory == 0 or (new["huge_pages"] == "2M" and memory % 2):
            raise Refused("Machine config error: so much memory there cannot be")
        self.machine = new

    def put_drive(self, value: dict[str, Any]) -> None:
        name = value["drive_id"]
        others = [drive for drive in self.drives.values() if drive["drive_id"] != name]
        if value["is_root_device"] and any(drive["is_root_device"] for drive in others):
            raise Refused("Drive config error: a root device is there already")
        if value.get("socket") is not None:
            raise Refused("Drive config error: this stand-in has no vhost-user drives")
        if value.get("path_on_host") is None:
            raise Refused("Drive config error: neither a file nor a socket")
        self._hold(
            "drive", name, _open_drive(value["path_on_host"], read_only=bool(value.get("is_read_only")))
        )
        self.drives[name] = value

    def patch_drive(self, value: dict[str, Any]) -> None:
        name = value["drive_id"]
        if name not in self.drives:
            raise Refused(f"Drive config error: there is no drive {name}")
        path = value.get("path_on_host")
        if path is not None:
            read_only = bool(self.drives[name].get("is_read_only"))
            self._hold("drive", name, _open_drive(path, read_only=read_only))
        self.drives[name] = self.drives[name] | value

    def put_network(self, value: dict[str, Any]) -> None:
        name, mac = value["iface_id"], str(value.get("guest_mac") or "").lower()
        others = [network for network in self.networks.values() if network["iface_id"] != name]
        if mac and any(str(network.get("guest_mac")).lower() == mac for network in others):
            raise Refused(f"Network config error: the MAC address {mac} is in use")
        self._hold("network", name, -1)  # the same interface again lets go of its TAP first
        self.networks.pop(name, None)
        self._hold("network", name, _open_tap(value["host_dev_name"]))
        self.networks[name] = value

    def patch_network(self, value: dict[str, Any]) -> None:
        if value["iface_id"] not in self.networks:
            raise Refused(f"Network config error: there is no interface {value['iface_id']}")

    def put_entropy(self, value: dict[str, Any]) -> None:
        self.single["entropy"] = value

    def put_balloon(self, value: dict[str, Any]) -> None:
        if value["amount_mib"] > self.machine["mem_size_mib"]:
            raise Refused("Balloon config error: more than the machine's memory")
        self.single["balloon"] = value

    def get_balloon(self) -> object:
        if "balloon" not in self.single:
            raise Refused("Balloon config error: there is none")
        return self.single["balloon"]

    def put_vsock(self, value: dict[str, Any]) -> None:
        if os.path.lexists(value["uds_path"]):
            raise Refused("Vsock config error: the socket's path is in use")
        self.single["vsock"] = value

    def put_mmds_config(self, value: dict[str, Any]) -> None:
        wanted = value["network_interfaces"]
        if not wanted or any(name not in self.networks for name in wanted):
            raise Refused("MMDS config error: it names interfaces that are not there, or none")
        self.single["mmds-config"] = value

    def attach(self) -> None:
        """Give every device an interrupt line and a place on the command line, as the start does."""
        one_of_each = [name for name in ("balloon", "vsock", "entropy") if name in self.single]
        devices = len(self.drives) + len(self.networks) + len(one_of_each)
        if devices > _LINES:
            raise Refused("Start microvm error: there are more devices than interrupt lines")
        added = ["pci=off"]
        if any(drive["is_root_device"] for drive in self.drives.values()):
            added += ["root=/dev/vda", "rw"]
        added += [f"virtio_mmio.device=4K@0xc0001000:{5 + index}" for index in range(devices)]
        line = [self.boot_source.get("boot_args") or "", *added]
        if len(" ".join(line).encode()) >= _COMMAND_LINE:
            raise Refused("Start microvm error: the kernel command line became too long")

    def _hold(self, kind: str, name: str, descriptor: int) -> None:
        former = self._held.pop((kind, name), -1)
        if former >= 0:
            os.close(former)
        if descriptor >= 0:
            self._held[kind, name] = descriptor


def open_like_a_log(path: str, *, create: bool) -> int:
    """Open a log or metrics file: not cut, written from the beginning."""
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o666)


def read_kernel(path: str, memory: int) -> bytes:
    """A kernel; it must be an ELF executable whose segments lie in memory."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise Refused(f"Start microvm error: cannot load the kernel: {error.strerror}") from error
    if len(data) < 64 or data[:4] != b"\x7fELF" or data[4:6] != b"\x02\x01":
        raise Refused("Start microvm error: cannot load the kernel: it is no ELF64 file")
    headers, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    segments = [data[headers + index * size :][:56] for index in range(count)]
    for segment in segments:
        if len(segment) < 56:
            raise Refused("Start microvm error: cannot load the kernel: its headers are cut off")
        kind, offset, address, file_size = struct.unpack_from("<I4xQ8xQQ", segment)
        if kind == 1 and (offset + file_size > len(data) or address + file_size > memory):
            raise Refused("Start microvm error: cannot load the kernel: a segment lies outside")
    return data


def _open_and_close(path: str, what: str) -> None:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except (OSError, ValueError) as error:
        raise Refused(f"{what}: {getattr(error, 'strerror', error)}") from error


def _open_drive(path: str, *, read_only: bool) -> int:
    try:
        descriptor = os.open(path, (os.O_RDONLY if read_only else os.O_RDWR) | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", error)
        raise Refused(f"Drive config error: {reason}: {path}") from error
    return descriptor


def _open_tap(name: str) -> int:
    """Attach to a TAP. The real one, as root, makes a missing TAP; this one says it did and does not."""
    if len(name.encode()) > 15:
        raise Refused("Network config error: the TAP's name is too long")
    try:
        socket.if_nametoindex(name)
    except OSError:
        if os.geteuid() == 0:
            return -1
        raise Refused(f"Network config error: {os.strerror(errno.EPERM)}: {name}") from None
    try:
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Refused(f"Network config error: /dev/net/tun: {error.strerror}") from error
    try:
        flags = _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    except OSError as error:
        os.close(descriptor)
        raise Refused(f"Network config error: cannot attach to TAP {name}: {error.strerror}") from error
    return descriptor
