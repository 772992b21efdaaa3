"""`kill -9` of `vmm up` at any moment: the next `up` finishes the work, and `down` leaves nothing."""

import subprocess
from contextlib import suppress

import pytest
from lab import Lab

pytestmark = [pytest.mark.root, pytest.mark.guest]

MANIFEST = """
vms:
  db: {image: tiny, memory: 128MiB, disk: 64MiB}
  web:
    image: tiny
    memory: 128MiB
    disk: 64MiB
    mounts: ["./site:site:ro"]
    ports: ["8080:80"]
    depends_on: [db]
"""
MOMENTS_S = (0.05, 0.15, 0.25, 0.4, 0.6, 0.8, 1.1, 1.6, 2.5, 4.0)


def test_ten_moments(lab: Lab) -> None:
    (lab.project / "site").mkdir()
    lab.write(MANIFEST)
    before = lab.traces()
    for moment in MOMENTS_S:
        child = lab.start("up")
        with suppress(subprocess.TimeoutExpired):
            child.wait(moment)
        child.kill()
        child.communicate()
        lab.vmm("up", "--no-wait")
        assert lab.plan()["changes"] == [], f"killed after {moment} s"
        lab.vmm("down")
        assert lab.traces() == before, f"killed after {moment} s"
