"""Which VMM programs this host has and whether its CPU can run guests by itself."""

import os
from pathlib import Path

from vmmcompose.host.programs import find_program
from vmmcompose.model.settings import Settings

_X86 = frozenset(("x86_64", "i686", "i386"))


def kvm_usable(*, device: str = "/dev/kvm", cpuinfo: str = "/proc/cpuinfo") -> tuple[bool, str]:
    """Whether KVM can run guests here, and why not, in words.

    A device that opens is no proof: some virtual machines and containers carry /dev/kvm on a CPU without
    virtualisation. On x86 the first CPU's flags must show `vmx` (Intel) or `svm` (AMD).
    """
    reason = _device_fault(device)
    if reason:
        return False, reason
    if os.uname().machine in _X86 and not _flags(cpuinfo) & {"vmx", "svm"}:
        return False, (
            f"{device} opens, but the CPU shows neither vmx nor svm: virtualisation is off in the firmware, "
            "or this machine is a guest without nested virtualisation"
        )
    return True, ""


def cpu_model(*, cpuinfo: str = "/proc/cpuinfo") -> str:
    """The first CPU's maker, family, model, stepping and name: a guest's memory runs on no other."""
    fields = _first_cpu(cpuinfo)
    known = [fields.get(key, "") for key in ("vendor_id", "cpu family", "model", "stepping", "model name")]
    return "/".join(known[:4]) + f" {known[4]}"


def find_binary(settings: Settings, driver: str) -> str:
    """Path of a driver's program; empty when it is not installed or not executable."""
    program = {"firecracker": settings.firecracker_binary, "qemu": settings.qemu_binary}[driver]
    return find_program(os.path.expanduser(program))


def _device_fault(device: str) -> str:
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return (
            f"{device} does not exist: the kvm module is not loaded, or virtualisation is off in the firmware"
        )
    except PermissionError:
        return f"{device} may not be opened by this user: run as root or join its group (usually kvm)"
    except OSError as error:
        return f"{device} cannot be opened: {error.strerror}"
    os.close(descriptor)
    return ""


def _flags(cpuinfo: str) -> frozenset[str]:
    return frozenset(_first_cpu(cpuinfo).get("flags", "").split())


def _first_cpu(cpuinfo: str) -> dict[str, str]:
    """The first CPU's fields; the rest of the file repeats them per CPU and is slow to make on big hosts."""
    fields: dict[str, str] = {}
    try:
        with Path(cpuinfo).open(encoding="ascii", errors="replace") as lines:
            for line in lines:
                key, _, value = line.partition(":")
                if not key.strip():
                    break
                fields.setdefault(key.strip(), value.strip())
    except OSError:
        pass
    return fields
