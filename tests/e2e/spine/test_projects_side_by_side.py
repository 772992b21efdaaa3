"""Projects of one host come and go at the same time; none of them fails because of another.

With the stand-in for Firecracker, because it is the commands that meet here and not the guests.
"""

import os
import subprocess
from collections.abc import Iterator
from threading import Thread

import pytest
from lab import Lab
from stand_in_lab import stand_in_host

pytestmark = pytest.mark.root

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
    """A host for the stand-in, and a folder per project."""
    with stand_in_host() as lab:
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
