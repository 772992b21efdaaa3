"""No room on the host: said by name, nothing half done is kept, and deleting works all the same.

A limit on the size of files stands in for a full file system: both refuse to write, and the first needs no
file system of its own.
"""

import subprocess

import pytest
from lab import Lab

pytestmark = [pytest.mark.root, pytest.mark.guest]

MANIFEST = """
vms:
  web:
    image: tiny
    memory: 128MiB
    disk: 64MiB
    mounts: ["./site:site:ro"]
    env: {GREETING: hello}
"""


def without_room(lab: Lab, limit: int, *args: str) -> subprocess.CompletedProcess[str]:
    """A `vmm` command that cannot write files beyond `limit` bytes."""
    return lab.run(
        "prlimit", f"--fsize={limit}", *lab.command("-f", str(lab.project), *args), code=None, timeout_s=120
    )


def test_no_room_at_any_point(lab: Lab) -> None:
    (lab.project / "site").mkdir()
    (lab.project / "site" / "large").write_bytes(bytes(range(256)) * 4096)
    lab.write(MANIFEST)
    before = lab.traces()
    for limit in (0, 64, 2048, 100_000, 2_000_000):
        done = without_room(lab, limit, "up", "--no-wait")
        assert done.returncode == 1, (limit, done.stderr)
        assert "free some space" in done.stderr, (limit, done.stderr)
        assert "unexpected" not in done.stderr, (limit, done.stderr)
        assert ".tmp." not in " ".join(lab.traces()["files"])
    lab.vmm("up")
    assert lab.plan()["changes"] == []
    refused = without_room(lab, 0, "stop")
    assert refused.returncode == 1
    assert "free some space" in refused.stderr
    assert lab.vmm("exec", "web", "--", "echo", "still here").stdout == "still here\n"
    assert without_room(lab, 0, "plan").returncode == 0
    done = without_room(lab, 0, "down")
    assert done.returncode == 0, done.stderr
    assert lab.traces() == before
