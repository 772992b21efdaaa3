"""What QEMU's last words mean and what to do about them. Pure."""

import re
from collections.abc import Sequence

_ORIGIN = re.compile(r"\A(?:qemu-\S+: )?(?:-[a-z]\S* (?:(?!: ).)*: )?")
"""QEMU's name and the argument that a line is about."""

_HINTS = (
    ("get shared", "another process uses this disk; `vmm doctor` finds VMMs without a record"),
    ('"write" lock', "another process uses this disk; `vmm doctor` finds VMMs without a record"),
    (
        "Device or resource busy",
        "another process holds the VM's TAP; `vmm doctor` finds VMMs without a record",
    ),
    ("/dev/net/tun", "a TAP takes root and the tun module (`modprobe tun`)"),
    ("KVM", "/dev/kvm does not let qemu in; with `hypervisor: qemu` and KVM switched off it emulates"),
    ("Cannot allocate memory", "the host has less free memory than the VM asks for; lower `memory`"),
    ("PVH ELF Note", "qemu boots a bzImage, or a vmlinux built with CONFIG_PVH; import such a kernel"),
    ("invalid kernel header", "the kernel file is no Linux kernel; import it again"),
    ("could not load kernel", "the kernel cannot be read; `vmm kernel list` shows what there is"),
    ("too long", "choose a shorter data_dir"),
    (
        "Permission denied",
        "run vmm as root, and look for a security module (AppArmor, SELinux) that confines qemu",
    ),
)


def last_words(lines: Sequence[str]) -> str:
    """The lines that say why it ended, without QEMU's name before them and without its warnings."""
    said = (_ORIGIN.sub("", line) for line in lines)
    return "; ".join(line for line in said if not line.startswith("warning:"))


def hint_for(words: str) -> str:
    """What to do next; empty when the words say nothing we know."""
    return next((hint for needle, hint in _HINTS if needle.lower() in words.lower()), "")
