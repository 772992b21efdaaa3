"""A host that lost power, seen from its next boot: real guests come up again."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from lab import Lab, eventually, missing_for_guests

from vmmcompose.host.process import scan, signal_process, wait_gone

pytestmark = [
    pytest.mark.root,
    pytest.mark.guest,
    pytest.mark.skipif(bool(missing_for_guests()), reason=missing_for_guests()),
]
MANIFEST = """
defaults: {image: tiny, memory: 128MiB}
vms:
  db: {}
  web: {depends_on: [db]}
  idle: {}
"""
EARLIER = "00000000-0000-0000-0000-000000000000"


def lose_power(lab: Lab) -> None:
    """What a power cut leaves: records of another boot, disks, and nothing else."""
    for found in scan(str(lab.data / "sockets")):
        signal_process(found.process, signal.SIGKILL)
        wait_gone(found.process, 10)
    for link in json.loads(lab.run("ip", "-j", "link").stdout):
        if link["ifname"] != "lo":
            lab.run("ip", "link", "delete", link["ifname"], code=None)
    for table in ("nat", "filter", "raw"):
        lab.run("iptables", "-t", table, "-F")
        lab.run("iptables", "-t", table, "-X")
    for path in (lab.data / "vms").glob("*.json"):
        record = json.loads(path.read_text())
        if record.get("process"):
            record["process"]["boot_id"] = EARLIER
            path.write_text(json.dumps(record))


def enabled(lab: Lab, projects: list[str], vms: list[str]) -> None:
    path = lab.data / "state" / "autostart.json"
    path.write_text(json.dumps({"schema_version": 1, "projects": projects, "vms": vms}))


def test_what_ran_runs_again_and_one_broken_vm_stops_no_other(tmp_path: Path) -> None:
    with Lab() as lab:
        lab.write(MANIFEST)
        lab.vmm("up")
        lab.vmm("stop", "idle")
        site = tmp_path / "site"
        site.mkdir()
        lab.vmm("create", "dev", "--image", "tiny", "--memory", "128")
        lab.vmm("create", "broken", "--image", "tiny", "--memory", "128", "--mount", f"{site}:site:ro")
        lab.vmm("start", "dev", "broken")
        enabled(lab, ["lab"], ["broken"])
        lose_power(lab)
        site.rmdir()
        (lab.project / "vmm.yaml").write_text("vms: {}")  # a manifest in the making is not what boots
        listed = lab.vmm("autostart", "run", "--dry-run").stdout.splitlines()
        assert listed == ["VM broken: broken", "project lab: db web"]

        done = lab.vmm("autostart", "run", code=1)
        assert "1 of 2 did not come up as a whole: VM broken" in done.stderr
        assert "broken: " in done.stderr
        states = {row["name"]: row["state"] for row in json.loads(lab.vmm("list", "--json").stdout)["vms"]}
        assert states["lab-web"] == states["lab-db"] == "running"
        assert states["lab-idle"] == "stopped"
        assert states["dev"] != "running"  # it ran, but is not enabled
        started = [line for line in done.stderr.splitlines() if line.startswith("lab: ")]
        assert started
        assert lab.vmm("-p", "lab", "exec", "web", "--", "echo", "here").stdout == "here\n"
        pids = {name: lab.pid(name) for name in ("db", "web")}

        site.mkdir()
        lab.vmm("autostart", "run")
        assert {name: lab.pid(name) for name in ("db", "web")} == pids
        assert "nothing to bring up" in lab.vmm("autostart", "run").stderr

        lose_power(lab)
        running = lab.start("autostart", "run")
        time.sleep(0.8)
        os.kill(running.pid, signal.SIGTERM)
        assert running.communicate(timeout=100)[0]
        assert running.returncode in (0, 130)
        eventually(lambda: lab.vmm("autostart", "run", code=None).returncode == 0, "all up", 120)
        # One that was running when the first was told to end is not waited for by the second.
        exec_web = ("-p", "lab", "exec", "web", "--", "echo", "here")
        eventually(lambda: lab.vmm(*exec_web, code=None).stdout == "here\n", "web answers", 60)
