"""Finding our VMM processes: one pass over /proc, comparing bytes."""

import os
import re

from vmmcompose.host.process import identify
from vmmcompose.model.observed import VmProcess

_FIRECRACKER = rb"(?:\A|\0)--api-sock(?:\0|=)%s/([0-9a-f]{12})\.sock(?:\0|\Z)"
_QEMU = rb"\0-qmp\0unix:%s/([0-9a-f]{12})\.sock,"


def scan_proc(sockets_dir: str) -> list[VmProcess]:
    """What `process.scan` promises, by pid."""
    patterns = _patterns(sockets_dir)
    marker = b".sock"
    found = []
    for pid in sorted(int(entry.name) for entry in os.scandir("/proc") if entry.name.isdecimal()):
        arguments = _arguments(pid)
        if marker not in arguments:
            continue
        for driver, pattern in patterns:
            match = pattern.search(arguments)
            if match is not None:
                found += _vm_process(pid, match[1].decode(), driver, arguments)
    return found


def _patterns(sockets_dir: str) -> tuple[tuple[str, re.Pattern[bytes]], ...]:
    folder = os.fsencode(sockets_dir.rstrip("/"))
    return (
        ("firecracker", re.compile(_FIRECRACKER % re.escape(folder))),
        ("qemu", re.compile(_QEMU % re.escape(folder.replace(b",", b",,")))),
    )


def _vm_process(pid: int, vm_id: str, driver: str, arguments: bytes) -> list[VmProcess]:
    """One or none: the pid may have come to mean another process since its arguments were read."""
    process = identify(pid)
    if process is None or _arguments(pid) != arguments:
        return []
    return [VmProcess(vm_id=vm_id, driver=driver, process=process)]


def _arguments(pid: int) -> bytes:
    """A process's argv with NULs between; empty for a kernel thread, a zombie and one that is gone.

    Plain system calls: this runs once per process of the host.
    """
    try:
        descriptor = os.open(f"/proc/{pid}/cmdline", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, 32768)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
