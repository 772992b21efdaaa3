"""The qemu driver in the contract suite: the real QEMU with a guest of one kilobyte."""

import shutil
from pathlib import Path

from driver_case import DriverCase
from tiny_bzimage import write_tiny_bzimage

from vmmcompose.drivers.base import Launch
from vmmcompose.model.observed import Kernel
from vmmcompose.model.paths import Paths
from vmmcompose.model.spec import VmSpec

_PROGRAM = "qemu-system-x86_64"


def _missing() -> str:
    return "" if shutil.which(_PROGRAM) else f"{_PROGRAM} is missing"


def _launch(spec: VmSpec, paths: Paths, folder: Path, reacts: bool) -> Launch:
    kernel = write_tiny_bzimage(folder / "bzImage", "obeys" if reacts else "deaf")
    return Launch(
        spec=spec,
        paths=paths,
        kernel=Kernel(name="default", bzimage=str(kernel)),
        binary=shutil.which(_PROGRAM) or "",
        kvm=False,
    )


CASE = DriverCase(name="qemu", missing=_missing, launch=_launch, locks_disks=True)
