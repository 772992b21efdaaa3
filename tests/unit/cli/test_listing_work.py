"""How much `vmm list` asks of the kernel: by the VMs that run, never by all processes of the host for each."""

import json
import os
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from vmmcompose.host.process import identify
from vmmcompose.host.records import write_record
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Record
from vmmcompose.model.spec import VmSpec

COUNTING = """
import sys
seen = []
def count(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and str(arguments[0]).startswith("/proc"):
        seen.append(str(arguments[0]))
sys.addaudithook(count)
from vmmcompose.cli.main import run
code = run(sys.argv[1:])
print(len(seen), seen.count("/proc"), code, file=sys.stderr)
"""


def written(paths: Paths, number: int, state: str) -> None:
    ip, vm_id = f"172.16.{number // 250}.{number % 250 + 2}", f"{number:012x}"
    spec = VmSpec(
        f"vm{number}", vm_id, "", f"vm{number}", "qemu", "tiny", "default", "", 1, 64, 64, f"vm{number}",
        ip, 16, "172.16.0.1", f"06:00:ac:10:{number // 250:02x}:{number % 250 + 2:02x}", f"vmm-{vm_id[:11]}",
    )  # fmt: skip
    process = identify(os.getpid()) if state == "running" else None
    write_record(paths, Record(spec, state=state, process=process))  # type: ignore[arg-type]


def looks(folder: Path, stopped: int, running: int) -> int:
    """How often `vmm list` looks into /proc with so many VMs."""
    paths = Paths(PurePosixPath(folder))
    for number in range(stopped + running):
        written(paths, number, "running" if number >= stopped else "stopped")
    done = subprocess.run(
        [sys.executable, "-c", COUNTING, "--data-dir", str(folder), "list", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = json.loads(done.stdout)["vms"]
    assert [row["state"] for row in rows].count("running") == running
    assert len(rows) == stopped + running
    opened, walks, code = map(int, done.stderr.split()[-3:])
    assert (walks, code) == (0, 0), "no walk over all processes"
    return opened


@pytest.mark.parametrize("running", [0, 5])
def test_stopped_vms_cost_no_look_at_processes(tmp_path: Path, running: int) -> None:
    few = looks(tmp_path / "few", 2, running)
    many = looks(tmp_path / "many", 120, running)
    assert many == few
