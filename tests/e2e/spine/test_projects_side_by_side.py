"""Projects of one host come and go at the same time; none of them fails because of another.

With the stand-in for Firecracker, because it is the commands that meet here and not the guests.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from lab import Lab
from tiny_kernel import write_tiny_kernel

pytestmark = pytest.mark.root

STAND_IN = Path(__file__).parents[2] / "fakes" / "firecracker"
PROJECTS = ("north", "east", "south", "west")
ROUNDS = 4
MANIFEST = """
defaults: {{image: small, memory: 128MiB, disk: 16MiB, hypervisor: firecracker}}
vms:
  a: {{ports: ["{port}:80"]}}
  b: {{}}
"""


@pytest.fixture
def host() -> Iterator[Lab]:
    """A host with a kernel and an image for the stand-in, and a folder per project."""
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
        subprocess.run(["mke2fs", "-q", "-t", "ext4", str(rootfs / "small.ext4"), "8M"], check=True)
        (rootfs / "small.json").write_text(about)
        lab.env["VMM_FIRECRACKER"] = str(STAND_IN)
        for number, name in enumerate(PROJECTS):
            (lab.root / name).mkdir()
            (lab.root / name / "vmm.yaml").write_text(MANIFEST.format(port=9100 + number))
        yield lab


def run(lab: Lab, project: str, *args: str) -> str:
    """What a command said if it failed; a thread of its own, as namespaces belong to threads."""
    command = lab.command("-f", str(lab.root / project / "vmm.yaml"), *args)
    with lab.net.inside():
        done = subprocess.run(
            command,
            env={**os.environ, **lab.env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    return f"{project} {args}: {done.stdout}{done.stderr}" if done.returncode else ""


def test_none_fails_because_of_another(host: Lab) -> None:
    before = host.traces()
    failures: list[str] = []

    def come_and_go(project: str) -> None:
        for _ in range(ROUNDS):
            failures.append(run(host, project, "up", "--no-wait"))
            failures.append(run(host, project, "down", "--grace", "0"))

    threads = [Thread(target=come_and_go, args=(project,)) for project in PROJECTS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "".join(failures) == ""
    assert host.traces() == before
