"""A VM as Firecracker wants it: pure, from a `Launch` to an argument list and the requests in their order.

Names, limits and the order of requests are those of Firecracker's OpenAPI description and of docs/ in its
repository (1.7 to 1.16).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from vmmcompose.drivers.base import Launch, MemoryFiles
from vmmcompose.guest import command_line
from vmmcompose.model.paths import Paths
from vmmcompose.model.spec import VmSpec

Version = tuple[int, int, int]

OLDEST: Version = (1, 7, 0)
SERIAL_LIMIT: Version = (1, 16, 0)
"""From here on the serial console's output can be limited."""
CLOCK_REALTIME: Version = (1, 16, 0)
"""From here on a load says whether the guest's clock catches up; before, it does where the host's KVM can."""
CLOCK_WORD = "clock_realtime"
"""The field that says so, and the word in the refusal of a snapshot that does not hold the time."""
MAX_COMMAND_LINE = 2047
"""Bytes of the whole kernel command line: 2048 with the closing NUL."""
MAX_CPUS = 32
MAX_MOUNTS = 12
"""x86 has 17 interrupt lines for virtio devices; root disk, network and entropy take three of them."""

BASE_ARGS = "console=ttyS0 reboot=k panic=1 pci=off i8042.noaux i8042.nomux i8042.dumbkbd swiotlb=noforce"
"""The kernel command line before the VM's own part.

Firecracker's default without two of its words, since our guests run distribution kernels: `nomodule` keeps an
initrd from loading its virtio modules, `8250.nr_uarts=0` takes the serial console away. `reboot=k` makes a
guest's reboot end the VMM; the i8042 words save probing time and leave the keyboard alive, which Ctrl+Alt+Del
needs. Before 1.13 `pci=off` is ours to give, later ones add it themselves; twice does no harm.
"""

_ADDED_ONCE = len(" pci=off root=/dev/vda rw")
_ADDED_PER_DEVICE = len(" virtio_mmio.device=4K@0xd0000000:23")
"""What Firecracker itself puts behind our command line, at its longest."""

_CONSOLE_BURST = 1 << 20
_CONSOLE_PER_SECOND = 64 << 10
"""Bytes of console output: a boot's worth at once, then so much per second. A guest can print for ever."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request of the API."""

    method: str
    path: str
    body: Mapping[str, object] = field(default_factory=dict)


def instance_id(vm_id: str) -> str:
    """Firecracker's `--id` of a VM: letters, digits and `-` only, 64 at most."""
    return f"vmm-{vm_id}"


def argv(binary: str, paths: Paths, spec: VmSpec) -> list[str]:
    """The VMM's argument list.

    The log is opened by argument, not by request: what Firecracker says before its first request would else
    land in the guest's console, as both go to standard output.
    """
    return [
        binary,
        *("--api-sock", str(paths.socket(spec.id))),
        *("--id", instance_id(spec.id)),
        *("--log-path", str(paths.vmm_log(spec.name))),
        *("--level", "Warning"),  # one level more logs every probe
        "--show-level",
    ]


def calls(launch: Launch, version: Version) -> tuple[Call, ...]:
    """Every request from a fresh process to a running guest, in the order that works with all versions."""
    spec = launch.spec
    return (
        Call("PUT", "/metrics", {"metrics_path": str(launch.paths.metrics(spec.name))}),
        Call("PUT", "/machine-config", {"vcpu_count": spec.cpus, "mem_size_mib": spec.memory_mib}),
        _boot_source(launch),
        *_drives(launch),
        *_network(spec),
        Call("PUT", "/entropy"),  # a guest that boots in a second has no randomness of its own yet
        *_serial(version),
        Call("PUT", "/actions", {"action_type": "InstanceStart"}),
    )


PAUSE = Call("PATCH", "/vm", {"state": "Paused"})
RESUME = Call("PATCH", "/vm", {"state": "Resumed"})
PRESS_KEYS = Call("PUT", "/actions", {"action_type": "SendCtrlAltDel"})


def snapshot_call(files: MemoryFiles) -> Call:
    """The request that writes a paused guest's whole memory."""
    body = {"snapshot_type": "Full", "snapshot_path": files.state, "mem_file_path": files.memory}
    return Call("PUT", "/snapshot/create", body)


def load_calls(launch: Launch, files: MemoryFiles, version: Version, *, catch_up: bool) -> tuple[Call, ...]:
    """Every request from a fresh process to a guest that goes on where its snapshot was made.

    What the machine is made of stands in the state file; Firecracker refuses a load after any request about it.
    `catch_up` moves the guest's kvm-clock on by the time that has passed.
    """
    body: dict[str, object] = {
        "snapshot_path": files.state,
        "mem_backend": {"backend_type": "File", "backend_path": files.memory},
        "resume_vm": True,
    }
    if catch_up and version >= CLOCK_REALTIME:
        body[CLOCK_WORD] = True
    return (
        Call("PUT", "/metrics", {"metrics_path": str(launch.paths.metrics(launch.spec.name))}),
        *_serial(version),
        Call("PUT", "/snapshot/load", body),
    )


def swap_drive(position: int, path: str) -> Call:
    """The request after which a mount's drive reads another file, or the same one at its new size."""
    drive = f"mount{position}"
    return Call("PATCH", f"/drives/{drive}", {"drive_id": drive, "path_on_host": path})


def command_line_length(spec: VmSpec) -> int:
    """Bytes of the whole command line at most, with what Firecracker adds."""
    devices = 3 + len(spec.mounts) + len(spec.volumes)
    ours = len(command_line(spec, BASE_ARGS).encode())
    return ours + _ADDED_ONCE + devices * _ADDED_PER_DEVICE


def parse_version(text: str) -> Version | None:
    """The first version number in a text such as `Firecracker v1.16.1` or `1.14.0-dev`."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def exit_meaning(code: int) -> str:
    """What an exit code of Firecracker (or, negative, a signal's number) says; from src/vmm/src/lib.rs."""
    if code < 0:
        return f"killed by signal {-code}"
    return f"exit code {code}" + (f": {_EXITS[code]}" if code in _EXITS else "")


_EXITS = {
    0: "the guest shut down or rebooted",
    1: "an error it reports in its log",
    148: "a system call its seccomp filter forbids",
    149: "SIGBUS: the disk is full, or a disk image was cut shorter",
    150: "SIGSEGV",
    151: "SIGXFSZ: a file grew over the limit of its process",
    152: "a bad configuration",
    153: "an argument it does not know; this version may be too old",
    154: "SIGXCPU: over the CPU time its process may use",
    155: "SIGPIPE",
    156: "SIGHUP",
    157: "SIGILL",
}


def _boot_source(launch: Launch) -> Call:
    body = {
        "kernel_image_path": launch.kernel.vmlinux,
        "boot_args": command_line(launch.spec, BASE_ARGS),
    }
    if launch.kernel.initrd:
        body["initrd_path"] = launch.kernel.initrd
    return Call("PUT", "/boot-source", body)


def _drives(launch: Launch) -> list[Call]:
    """The root disk first, which the guest sees as vda; then mounts and volumes in the spec's order.

    A drive's id may hold letters, digits and `_` only, tags and names more than that: so ids count.
    """
    spec, paths = launch.spec, launch.paths
    root = _drive("rootfs", str(paths.disk(spec.name)), root=True)
    mounts = [
        _drive(f"mount{index}", str(paths.mount(spec.name, mount.tag)), read_only=mount.mode == "ro")
        for index, mount in enumerate(spec.mounts)
    ]
    volumes = [
        _drive(f"volume{index}", str(paths.volume(spec.project, one.volume)), read_only=one.mode == "ro")
        for index, one in enumerate(spec.volumes)
    ]
    return [root, *mounts, *volumes]


def _drive(drive_id: str, path: str, *, root: bool = False, read_only: bool = False) -> Call:
    """A writable disk is attached as `Writeback`: the guest's flushes become fsync on the host.

    The default, `Unsafe`, hides the flush command from the guest, so that a power cut would lose what a
    database in the guest believes to be on disk. A read-only disk has nothing to flush.
    """
    body: dict[str, object] = {
        "drive_id": drive_id,
        "path_on_host": path,
        "is_root_device": root,
        "is_read_only": read_only,
        "cache_type": "Unsafe" if read_only else "Writeback",
    }
    return Call("PUT", f"/drives/{drive_id}", body)


def _network(spec: VmSpec) -> list[Call]:
    body = {"iface_id": "eth0", "host_dev_name": spec.tap, "guest_mac": spec.mac}
    return [Call("PUT", "/network-interfaces/eth0", body)]


def _serial(version: Version) -> list[Call]:
    """Without a path the console stays on standard output; only the limit is set."""
    if version < SERIAL_LIMIT:
        return []
    bucket = {"size": _CONSOLE_PER_SECOND, "one_time_burst": _CONSOLE_BURST, "refill_time": 1000}
    return [Call("PUT", "/serial", {"rate_limiter": bucket})]
