"""One host with the hello example for all tests of a module."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, missing_for_guests
from tiny_kernel import write_tiny_kernel

EXAMPLES = Path(__file__).parents[3] / "examples"
STAND_IN = Path(__file__).parents[2] / "fakes" / "firecracker"


@pytest.fixture(scope="module")
def hello() -> Iterator[Lab]:
    """The hello example, up."""
    missing = missing_for_guests()
    if missing:
        pytest.skip(missing)
    with Lab("hello") as lab:
        shutil.copytree(EXAMPLES / "hello", lab.project, dirs_exist_ok=True)
        lab.vmm("up")
        yield lab


@pytest.fixture
def two_tier() -> Iterator[Lab]:
    """The two-tier example, not up yet."""
    missing = missing_for_guests()
    if missing:
        pytest.skip(missing)
    with Lab("two-tier") as lab:
        shutil.copytree(EXAMPLES / "two-tier", lab.project, dirs_exist_ok=True)
        yield lab


@pytest.fixture
def replicas() -> Iterator[Lab]:
    """The replicas example, not up yet."""
    missing = missing_for_guests()
    if missing:
        pytest.skip(missing)
    with Lab("replicas") as lab:
        shutil.copytree(EXAMPLES / "replicas", lab.project, dirs_exist_ok=True)
        yield lab


@pytest.fixture
def develop() -> Iterator[Lab]:
    """The develop example, not up yet."""
    missing = missing_for_guests()
    if missing:
        pytest.skip(missing)
    with Lab("develop") as lab:
        shutil.copytree(EXAMPLES / "develop", lab.project, dirs_exist_ok=True)
        yield lab


@pytest.fixture
def stand_in() -> Iterator[Lab]:
    """A host with a kernel of a few bytes and an empty image, whose VMs Firecracker's stand-in runs."""
    with Lab() as lab:
        images = lab.data / "images"
        if images.is_symlink():
            images.unlink()
        kernel, rootfs = images / "kernels" / "default", images / "rootfs"
        kernel.mkdir(parents=True)
        rootfs.mkdir()
        made = {"source": "tests", "version": "0", "created": "2026-01-01T00:00:00Z"}
        write_tiny_kernel(kernel / "vmlinux", obeys=True)
        (kernel / "kernel.json").write_text(json.dumps(made))
        subprocess.run(["mke2fs", "-q", "-t", "ext4", rootfs / "small.ext4", "8M"], check=True)
        (rootfs / "small.json").write_text(json.dumps({**made, "sha256": "0", "size": 8 << 20}))
        lab.env |= {
            "VMM_FIRECRACKER": str(STAND_IN),
            "VMM_HYPERVISOR": "firecracker",
            "VMM_DISK_SIZE_MB": "8",
        }
        yield lab
