"""Kernels built here, with everything a guest needs built in: they boot without modules and without an initrd."""

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from vmmcompose.errors import HostError, HostUnfit, NoSpace, UsageError
from vmmcompose.host import locks, store
from vmmcompose.host.files import write_atomic
from vmmcompose.images import bigjob, kernelsource, kernelstore, packages, publish
from vmmcompose.images.packages import Progress
from vmmcompose.model.observed import Kernel
from vmmcompose.model.paths import Paths

Profile = Literal["minimal", "default", "debug"]
PROFILES: tuple[Profile, ...] = ("minimal", "default", "debug")
_FRAGMENTS: dict[Profile, tuple[str, ...]] = {
    "minimal": ("minimal",),
    "default": ("minimal", "default"),
    "debug": ("minimal", "default", "debug"),
}
_TOOLS = {
    "make": "make",
    "gcc": "gcc",
    "ld": "binutils",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "perl": "perl",
    "xz": "xz-utils",
    "lz4": "lz4",
}
_HEADERS = {"/usr/include/gelf.h": "libelf-dev", "/usr/include/openssl/opensslv.h": "libssl-dev"}
_ROOM_MIB = {"minimal": 4096, "default": 6144, "debug": 20480}
"""Source and objects: 1.5 GB and what was measured for 6.1, with some air."""
_BUILD_S = 6 * 3600


@dataclass(frozen=True, slots=True)
class Machine:
    """How one architecture calls things."""

    arch: str
    fragment: str
    targets: tuple[str, ...]
    bzimage: str = ""
    vmlinux: str = "vmlinux"


MACHINES = {
    "x86_64": Machine("x86_64", "x86_64", ("vmlinux", "bzImage"), bzimage="arch/x86/boot/bzImage"),
    "aarch64": Machine("arm64", "aarch64", ("Image",), vmlinux="arch/arm64/boot/Image"),
}


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be built."""

    name: str
    series: str = ""
    """`6.1`, or an exact version; empty with a package or a tarball means what that has."""
    source: str = ""
    """`package`, the path of a tarball, or empty for kernel.org."""
    profile: Profile = "default"
    jobs: int = 0
    """0: as many as there are CPUs."""
    force: bool = False


def build_kernel(paths: Paths, order: Order, on_progress: Progress) -> Kernel:
    """Builds a kernel and puts it into the store; one of that name that is there is left alone unless `force`.

    Raises:
        UsageError: no such version, or a tarball that is none.
        HostUnfit: a tool is missing; names the packages.
        HostError: the build failed; says where its log is and how it ends.
    """
    publish.check_name(order.name)
    if order.source not in ("", "package") and not os.path.isfile(order.source):
        raise UsageError(f"there is no tarball {order.source}", hint="--source package, or a path")
    if not order.source and not order.series:
        raise UsageError("which version?", hint="e.g. --version 6.1")
    machine = MACHINES.get(os.uname().machine)
    if machine is None:
        raise HostUnfit(f"kernels are not built for {os.uname().machine} here")
    require_tools()
    publish.prepare(paths)
    with locks.hold(paths.lock("images"), "the image store", on_wait=on_progress):
        if not order.force and kernelstore.exists(paths, order.name):
            on_progress(f"kernel {order.name} is in the store already")
            return store.list_kernels(paths)[order.name]
        with publish.scratch(paths.kernel(order.name)) as work:
            _require_room(work, order.profile)
            return _build(paths, order, machine, work, on_progress)


def require_tools() -> None:
    """Refuses at once, with everything that is missing, rather than after ten minutes.

    Raises:
        HostUnfit: names the packages.
    """
    missing = [package for tool, package in _TOOLS.items() if shutil.which(tool) is None]
    missing += [package for header, package in _HEADERS.items() if not os.path.exists(header)]
    if missing:
        names = " ".join(missing)
        raise HostUnfit(f"building a kernel needs {names}", hint=f"apt-get install {names}")


def fragments(profile: Profile, machine: Machine) -> list[str]:
    """The texts of the configuration that must hold, in order."""
    names = (*_FRAGMENTS[profile], machine.fragment)
    folder = files("vmmcompose.images").joinpath("data/kernel")
    return [folder.joinpath(f"{name}.config").read_text(encoding="utf-8") for name in names]


def unmet(wanted: Iterable[str], result: str) -> list[str]:
    """What was asked for (`CONFIG_X=y`) and is not in a finished configuration."""
    have = set(result.splitlines())
    asked = (line for text in wanted for line in text.splitlines() if line.startswith("CONFIG_"))
    return [line for line in asked if line not in have and not (line.endswith("=n") and _is_off(line, have))]


def _is_off(line: str, have: set[str]) -> bool:
    name = line.removesuffix("=n")
    return not any(f"{name}={value}" in have for value in ("y", "m"))


def _build(paths: Paths, order: Order, machine: Machine, work: Path, on_progress: Progress) -> Kernel:
    tree, origin = _source(paths, order, work, on_progress)
    version = kernelsource.version_of(tree)
    objects = work / "objects"
    objects.mkdir()
    make = ("make", "-C", str(tree), f"O={objects}", f"ARCH={machine.arch}")
    config = _configure(order, machine, make, work, objects, version)
    on_progress(f"building linux {version}, profile {order.profile}")
    jobs = order.jobs or os.cpu_count() or 1
    log = paths.state() / f"kernel-build-{order.name}.log"
    argv = ("nice", *make, f"-j{jobs}", *machine.targets)
    bigjob.run(argv, f"build linux {version}", log, on_progress, env=_environment(), timeout_s=_BUILD_S)
    os.unlink(str(log))
    vmlinux = objects / machine.vmlinux
    if order.profile != "debug" and machine.vmlinux == "vmlinux":
        packages.run(("strip", "--strip-all", str(vmlinux)), "strip the kernel")
    parts = kernelstore.Parts(
        bzimage=(objects / machine.bzimage).read_bytes() if machine.bzimage else b"",
        vmlinux=vmlinux.read_bytes(),
        config=config.encode(),
    )
    fields = {"source": f"built from {origin}, profile {order.profile}", "version": version}
    return kernelstore.store_kernel(paths, order.name, parts, fields)


def _source(paths: Paths, order: Order, work: Path, on_progress: Progress) -> tuple[Path, str]:
    if order.source == "package":
        return kernelsource.from_package(order.series, work, on_progress)
    if order.source:
        tarball = Path(order.source)
        return kernelsource.unpack(tarball, work, on_progress), tarball.name
    return kernelsource.from_mirror(order.series, work, Path(paths.downloads()), on_progress)


def _configure(
    order: Order, machine: Machine, make: Sequence[str], work: Path, objects: Path, version: str
) -> str:
    wanted = fragments(order.profile, machine)
    optional = files("vmmcompose.images").joinpath("data/kernel/optional.config").read_text(encoding="utf-8")
    asked = work / "wanted.config"
    write_atomic(asked, "\n".join([*wanted, optional]).encode())
    packages.run(
        (*make, "-s", f"KCONFIG_ALLCONFIG={asked}", "allnoconfig"), "configure the kernel", timeout_s=600
    )
    config = (objects / ".config").read_text(encoding="utf-8")
    missing = unmet(wanted, config)
    if missing:
        names = ", ".join(line.removeprefix("CONFIG_") for line in missing[:8])
        more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
        raise HostError(
            f"linux {version} cannot be built as profile {order.profile}: it has no {names}{more}",
            hint="choose another --version or --profile",
        )
    return config


def _environment() -> dict[str, str]:
    """The same source and profile give the same kernel, whoever builds it."""
    return {
        "KBUILD_BUILD_USER": "vmm",
        "KBUILD_BUILD_HOST": "vmm",
        "KBUILD_BUILD_TIMESTAMP": "1970-01-01",
        "LC_ALL": "C.UTF-8",
    }


def _require_room(folder: Path, profile: Profile) -> None:
    room = os.statvfs(folder)
    free = room.f_bavail * room.f_frsize >> 20
    if free < _ROOM_MIB[profile]:
        raise NoSpace(
            f"building a kernel needs {_ROOM_MIB[profile]} MiB in {folder.parent}, and there are {free}",
            hint="free some space there, or choose another folder with --data-dir",
        )
