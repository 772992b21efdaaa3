"""What this host can do, one check at a time. Read-only: nothing is created and no packet is sent."""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from vmmcompose.errors import VmmError
from vmmcompose.host.programs import find_program
from vmmcompose.model.paths import Paths
from vmmcompose.model.settings import Settings

Status = Literal["ok", "warn", "fail"]
GIB = 1024**3
LEAST_SPACE = GIB // 4
ENOUGH_SPACE = 4 * GIB
_FICLONE = 0x40049409
"""The ioctl that shares a whole file's blocks (ioctl_ficlone(2))."""
_VERSION = re.compile(r"\d+(?:\.\d+)+(?:[-p]\w+)?(?: \([a-z_]+\))?")


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `vmm doctor`. `fail` means that no VM can run until it is put right."""

    name: str
    status: Status
    detail: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that vmm runs."""

    program: str
    package: str
    version: tuple[str, ...]
    """Arguments that make it tell its version; empty where nothing does without side effects."""
    needed: bool = True
    why: str = ""


TOOLS = (
    Tool("mke2fs", "e2fsprogs", ("-V",)),
    Tool("debugfs", "e2fsprogs", ("-V",)),
    Tool("e2fsck", "e2fsprogs", ("-V",)),
    Tool("resize2fs", "e2fsprogs", ()),
    Tool("iptables-save", "iptables", ("--version",)),
    Tool("iptables-restore", "iptables", ("--version",)),
    Tool("ssh", "openssh-client", ("-V",)),
    Tool("ssh-keygen", "openssh-client", ()),
    Tool("ip", "iproute2", ("-V",), needed=False, why="`tools/test` uses it"),
    Tool(
        "busybox",
        "busybox-static",
        (),
        needed=False,
        why="`vmm kernel import` and `vmm image build tiny` use it",
    ),
    Tool("dot", "graphviz", ("-V",), needed=False, why="`vmm graph --format svg` uses it"),
)


def run_checks(settings: Settings, paths: Paths) -> list[Check]:
    """All checks, in the order people read them."""
    checks: list[Check] = []
    for check in (_user, _drivers, _tools, _network, _storage, _store):
        checks += check(settings, paths)
    return checks


def _user(_settings: Settings, _paths: Paths) -> Iterator[Check]:
    if os.geteuid() == 0:
        yield Check("root", "ok", "running as root")
    else:
        hint = "`plan`, `ps` and `doctor` work; `up`, `down`, `ssh` and `logs` need sudo"
        yield Check("root", "warn", f"running as user {os.geteuid()}", hint)


def _drivers(settings: Settings, _paths: Paths) -> Iterator[Check]:
    from vmmcompose.host.kvm import find_binary, kvm_usable

    usable, reason = kvm_usable()
    firecracker, qemu = find_binary(settings, "firecracker"), find_binary(settings, "qemu")
    if usable:
        yield Check("kvm", "ok", "usable")
    else:
        yield Check("kvm", "warn", reason, "guests run emulated by qemu: slower, otherwise the same")
    if firecracker:
        yield Check("firecracker", "ok", _told(firecracker, ("--version",)))
    else:
        status: Status = "warn" if usable else "ok"
        hint = (
            "`vmm setup` installs it; elsewhere than on the PATH, name it in VMM_FIRECRACKER"
            if usable
            else ""
        )
        yield Check("firecracker", status, f"{settings.firecracker_binary} not found", hint)
    if qemu:
        yield Check("qemu", "ok", _told(qemu, ("--version",)))
    elif firecracker and usable:
        yield Check("qemu", "ok", f"{settings.qemu_binary} not found, and not needed beside firecracker")
    else:
        hint = "apt-get install qemu-system-x86"
        yield Check("qemu", "fail", f"{settings.qemu_binary} not found, and firecracker cannot run", hint)


def _tools(_settings: Settings, _paths: Paths) -> Iterator[Check]:
    for tool in TOOLS:
        path = find_program(tool.program, system=True)
        if path:
            yield Check(tool.program, "ok", _told(path, tool.version) if tool.version else path)
        else:
            status: Status = "fail" if tool.needed else "warn"
            hint = f"apt-get install {tool.package}" + (f" ({tool.why})" if tool.why else "")
            yield Check(tool.program, status, "not found", hint)


def _network(settings: Settings, _paths: Paths) -> Iterator[Check]:
    from vmmcompose.host import procnet, sysctl
    from vmmcompose.host.iptables import flavour

    if os.path.exists("/dev/net/tun"):
        yield Check("tun", "ok", "/dev/net/tun")
    else:
        yield Check("tun", "fail", "/dev/net/tun is missing: no TAPs", "modprobe tun")
    with contextlib.suppress(VmmError):  # a missing iptables has its line already
        found = flavour()
        if found.other_in_use:
            hint = "empty the other one's tables: both filter every packet"
            yield Check("iptables", "warn", f"{found.version}, and the other flavour holds rules too", hint)
        else:
            yield Check("iptables", "ok", found.version)
    if sysctl.forwarding():
        yield Check("forwarding", "ok", "net.ipv4.ip_forward is on")
    else:
        yield Check(
            "forwarding", "ok", "net.ipv4.ip_forward is off; the first VM turns it on, the last one off"
        )
    uplink = settings.host_interface or procnet.uplink()
    if uplink and os.path.exists(f"/proc/sys/net/ipv4/conf/{uplink}"):
        yield Check("uplink", "ok", uplink)
    else:
        what = f"{uplink} does not exist" if uplink else "no default route"
        yield Check("uplink", "warn", what, "guests reach this host and each other, but nothing beyond")


def _storage(settings: Settings, _paths: Paths) -> Iterator[Check]:
    folder = settings.data_dir
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    made = "" if folder == settings.data_dir else f" ({settings.data_dir} is made by the first command)"
    free = shutil.disk_usage(folder).free
    words = f"{free / GIB:.1f} GiB free in {folder}{made}"
    if free < LEAST_SPACE:
        yield Check("space", "fail", words, "make room, or name another folder with --data-dir")
    elif free < ENOUGH_SPACE:
        yield Check("space", "warn", words, "disks are sparse but grow as guests write")
    else:
        yield Check("space", "ok", words)
    shared = _reflink(folder)
    if shared is None:
        yield Check("reflink", "ok", "not tried: the folder is not writable for this user")
    elif shared:
        yield Check("reflink", "ok", "copies of images share their blocks")
    else:
        yield Check("reflink", "ok", "not on this filesystem: copies of images are sparse copies")


def _store(_settings: Settings, paths: Paths) -> Iterator[Check]:
    from vmmcompose.host.store import list_images, list_kernels

    kernels, images = list_kernels(paths), list_images(paths)
    if kernels:
        yield Check("kernels", "ok", ", ".join(kernels))
    else:
        yield Check("kernels", "warn", "none", "vmm kernel import --from-package")
    if images:
        yield Check("images", "ok", ", ".join(images))
    else:
        yield Check("images", "warn", "none", "vmm image build tiny")
    yield from _volumes(paths)


def _volumes(paths: Paths) -> Iterator[Check]:
    """How many there are and how full they may become: they are sparse."""
    from vmmcompose.host.volumes import projects, read_volumes

    sizes = [image.size_bytes for name in projects(paths) for image in read_volumes(paths, name).values()]
    if not sizes:
        return
    free = shutil.disk_usage(str(paths.volumes())).free
    words = f"{len(sizes)}, which hold up to {sum(sizes) / GIB:.1f} GiB"
    if sum(sizes) > free:
        hint = "guests see write errors when the host's disk is full; `vmm volume list --all` shows them"
        yield Check("volumes", "warn", f"{words}, with {free / GIB:.1f} GiB free", hint)
    else:
        yield Check("volumes", "ok", words)


def _told(program: str, arguments: tuple[str, ...]) -> str:
    """`PATH, VERSION`, or the path alone where the program says nothing useful."""
    try:
        done = subprocess.run(
            [program, *arguments], capture_output=True, timeout=10, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{program}, which does not run: {error}"
    found = _VERSION.search((done.stdout + done.stderr).decode(errors="replace"))
    return f"{program}, {found[0]}" if found else program


def _reflink(folder: str) -> bool | None:
    """Whether the filesystem shares blocks between files, tried on two nameless files."""
    try:
        with _nameless(folder) as source, _nameless(folder) as target:
            os.write(source, b"\0" * 4096)
            try:
                fcntl.ioctl(target, _FICLONE, source)
            except OSError:
                return False
            return True
    except OSError:
        return None


@contextlib.contextmanager
def _nameless(folder: str) -> Iterator[int]:
    descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
