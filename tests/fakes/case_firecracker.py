"""The firecracker driver in the contract suite, with the stand-in or with a real binary."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from driver_case import DriverCase
from tiny_kernel import write_tiny_kernel

from vmmcompose.drivers.base import Launch
from vmmcompose.model.observed import Kernel
from vmmcompose.model.paths import Paths
from vmmcompose.model.spec import VmSpec

FAKE = Path(__file__).parent / "firecracker"


def real_binary() -> str:
    """A real firecracker from $VMM_FIRECRACKER or PATH; empty without one. The stand-in is a script."""
    path = shutil.which(os.environ.get("VMM_FIRECRACKER") or "firecracker") or ""
    if not path:
        return ""
    with Path(path).open("rb") as file:
        return path if file.read(4) == b"\x7fELF" else ""


def kvm_opens() -> bool:
    """Whether /dev/kvm can be opened, which is all that a guest of a few instructions needs."""
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def real_missing() -> str:
    """What a test with a real binary and a guest of a few instructions lacks here."""
    if not real_binary():
        return "no real firecracker on PATH or in VMM_FIRECRACKER"
    return "" if kvm_opens() else "/dev/kvm does not open"


def _launch(binary: Callable[[], str]) -> Callable[[VmSpec, Paths, Path, bool], Launch]:
    def launch(spec: VmSpec, paths: Paths, folder: Path, reacts: bool) -> Launch:
        kernel = write_tiny_kernel(folder / "vmlinux", obeys=reacts)
        return Launch(
            spec=spec,
            paths=paths,
            kernel=Kernel(name="default", vmlinux=str(kernel)),
            binary=binary(),
            kvm=True,
        )

    return launch


CASE = DriverCase(name="firecracker", missing=lambda: "", launch=_launch(lambda: str(FAKE)))
REAL = DriverCase(name="firecracker", missing=real_missing, launch=_launch(real_binary))
