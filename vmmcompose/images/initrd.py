"""The initrd that lets a distribution's kernel boot here: busybox, the kernel's virtio modules, one script.

A distribution's kernel has its virtio drivers as modules and ignores `ip=`; the script
`data/initrd-init` loads the former, applies the latter, mounts the root filesystem and starts its init.
"""

import stat
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from vmmcompose.images import cpio, kmod
from vmmcompose.images.compression import decompress_module

MODULES: Sequence[str] = (
    "virtio_mmio",  # Firecracker's and microvm's transport
    "virtio_pci",  # q35's
    "virtio_blk",
    "ext4",
    "virtio_net",
    "af_packet",
    "virtio_rng",
    "atkbd",  # Ctrl+Alt+Del reaches the guest as keys on an i8042
    "i8042",
    "button",  # ACPI power button
    "evdev",
    "overlay",
    "vmw_vsock_virtio_transport",
)
"""Wanted in every guest; what a kernel has built in or lacks is left out. Dependencies are added."""

APPLETS: Sequence[str] = (
    *("findfs", "halt", "hostname", "ifconfig", "insmod", "mount", "reboot", "route", "sh", "switch_root"),
    *("sync", "usleep"),
)
"""What the script calls. busybox's shell finds these by itself, but only while /proc is mounted."""


def build(modules_dir: Path, busybox: bytes, more: Sequence[str] = ()) -> bytes:
    """The initrd for the kernel whose modules lie in `modules_dir` (`…/lib/modules/<version>`).

    Uncompressed: unpacking costs an emulated guest more than the loader needs for reading it.

    Args:
        modules_dir: where to find the modules.
        busybox: a static busybox program.
        more: further modules to load.
    """
    names = module_files(modules_dir)
    order = kmod.load_order((*MODULES, *more), names, lambda path: decompress_module(Path(path)))
    return cpio.archive([*_skeleton(busybox), *_modules(order)])


def module_files(modules_dir: Path) -> Mapping[str, str]:
    """Path of every module below a folder by its name."""
    return {kmod.module_name(str(path)): str(path) for path in modules_dir.rglob("*.ko*") if path.is_file()}


def _skeleton(busybox: bytes) -> list[cpio.Member]:
    script = files("vmmcompose.images").joinpath("data/initrd-init").read_bytes()
    return [
        *(cpio.folder(name) for name in ("bin", "dev", "modules", "proc", "root", "sys")),
        cpio.Member("dev/console", stat.S_IFCHR | 0o600, device=(5, 1)),
        cpio.file("bin/busybox", busybox, 0o755),
        *(cpio.link(f"bin/{applet}", "busybox") for applet in APPLETS),
        cpio.file("init", script, 0o755),
    ]


def _modules(order: Sequence[tuple[str, bytes]]) -> list[cpio.Member]:
    """The modules under names that sort in the order in which they are to be loaded."""
    return [cpio.file(f"modules/{number:02}-{name}.ko", data) for number, (name, data) in enumerate(order)]
