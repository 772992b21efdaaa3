"""A host whose VMs are the stand-in for Firecracker: for what happens between commands and not in guests."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab import Lab
from tiny_kernel import write_tiny_kernel

STAND_IN = Path(__file__).parent / "firecracker"
DEFAULTS = "defaults: {image: small, memory: 128MiB, disk: 16MiB, hypervisor: firecracker}\n"


@contextmanager
def stand_in_host() -> Iterator[Lab]:
    """A lab with a kernel and the images `small` and `other` for the stand-in."""
    for tool in ("iptables-save", "mke2fs", "ssh-keygen"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is missing")
    with Lab() as lab:
        images = lab.data / "images"
        images.unlink(missing_ok=True)
        kernel, rootfs = images / "kernels" / "default", images / "rootfs"
        kernel.mkdir(parents=True)
        rootfs.mkdir()
        write_tiny_kernel(kernel / "vmlinux", obeys=True)
        about = '{"source": "tests", "sha256": "0", "created": "2026-01-01T00:00:00Z", "size": 8388608}'
        (kernel / "kernel.json").write_text(about)
        for name in ("small", "other"):
            subprocess.run(["mke2fs", "-q", "-t", "ext4", str(rootfs / f"{name}.ext4"), "8M"], check=True)
            (rootfs / f"{name}.json").write_text(about)
        lab.env["VMM_FIRECRACKER"] = str(STAND_IN)
        yield lab
