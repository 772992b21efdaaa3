"""Provision scripts in real guests: once, again when they failed or were cut off, and in the order others wait for."""

import json
import signal

import pytest
from lab import Lab, eventually

pytestmark = [pytest.mark.root, pytest.mark.guest]

DEFAULTS = "defaults: {image: tiny, memory: 128MiB, disk: 64MiB}\n"
FAILS_ONCE = (
    DEFAULTS
    + """
vms:
  db:
    env: {WORD: "it's $$5"}
    provision:
      - echo one $$WORD >> /root/runs
      - {name: gate, run: "test -e /root/open || { echo the gate is shut; exit 3; }"}
      - {script: ./last}
  web: {depends_on: {db: {condition: provisioned}}}
  spare: {depends_on: {db: {condition: healthy, required: false}}}
"""
)
CUT_OFF = (
    DEFAULTS
    + """
vms:
  db:
    provision:
      - {name: slow, run: "echo run >> /root/runs; test $$(wc -l < /root/runs) -gt 1 || sleep 600"}
"""
)


def in_guest(lab: Lab, script: str) -> str:
    return lab.vmm("exec", "db", "--", "sh", "-c", script).stdout.strip()


def provisioned(lab: Lab) -> dict[str, bool | None]:
    rows = json.loads(lab.vmm("ps", "--json").stdout)["vms"]
    return {row["vm"]: row["provisioned"] for row in rows}


def test_what_failed_is_run_again_and_only_then_done(lab: Lab) -> None:
    lab.write(FAILS_ONCE)
    (lab.project / "last").write_text("#!/bin/sh -e\necho last >> /root/runs\n")
    failed = lab.vmm("up", code=1).stderr
    assert "gate ended with exit code 3" in failed
    assert "the gate is shut" in failed
    assert "web: starting skipped: db failed while provisioning with gate" in failed
    assert provisioned(lab) == {"db": False, "spare": None, "web": None}
    assert lab.record("spare")["state"] == "running", "what is not required is only waited for"
    assert lab.record("web")["process"] is None
    assert lab.reasons("vm/db") == ["gate has not been done", "last has not been done"]
    pid = lab.pid("db")

    in_guest(lab, "touch /root/open")
    lab.vmm("up")
    assert provisioned(lab)["db"] is True
    assert in_guest(lab, "cat /root/runs") == "one it's $5\nlast"
    assert lab.pid("db") == pid
    assert "othing to do" in lab.vmm("up").stderr
    assert "/root/open" not in lab.vmm("inspect", "db").stdout, "scripts may hold secrets"
    assert "/root/open" not in (lab.data / "vms" / "lab-db.json").read_text()
    log = lab.vmm("logs", "--provision", "db").stdout
    ends = [line.split(" ", 2) for line in log.splitlines() if ": exit code" in line]
    assert [words for _, _, words in ends] == [
        "step 1: exit code 0",
        "gate: exit code 3",
        "gate: exit code 0",
        "last: exit code 0",
    ]
    assert ends[-1][1] <= lab.record("web")["started"], "it waited for the last script"

    (lab.project / "last").write_text("echo edited >> /root/runs\n")
    (change,) = [change for change in lab.plan()["changes"] if change["address"] == "vm/db"]
    assert (change["kind"], change["reasons"][0]["field"]) == ("update", "provision.last")
    lab.vmm("up")
    assert in_guest(lab, "cat /root/runs") == "one it's $5\nlast\nedited"
    assert lab.pid("db") == pid
    assert not json.loads(lab.vmm("plan", "--json").stdout)["changes"]

    lab.vmm("up", "--recreate", "--allow-data-loss", "db", code=1)
    assert in_guest(lab, "cat /root/runs") == "one it's $5", "a new disk has seen no script"


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_a_cut_off_script_ends_and_is_run_again(lab: Lab, signum: signal.Signals) -> None:
    lab.write(CUT_OFF)
    with lab.start("up") as child:
        log = lab.data / "logs" / "lab-db" / "provision.log"
        eventually(log.exists, "the script begins", 60)
        eventually(lambda: in_guest(lab, "pidof sleep || true") != "", "it sleeps", 60)
        child.send_signal(signum)
        code = child.wait(30)
        assert code == (-signal.SIGKILL if signum == signal.SIGKILL else 130)
        child.communicate()
    assert provisioned(lab) == {"db": False}
    assert lab.reasons("vm/db") == ["slow has not been done"]
    lab.vmm("up")
    assert in_guest(lab, "pidof sleep || cat /root/runs") == "run\nrun", "the first one does not go on"
    assert provisioned(lab) == {"db": True}
    assert not lab.plan()["changes"]


def test_a_limit_for_all_waiting_names_what_was_waited_for(lab: Lab) -> None:
    lab.write(
        DEFAULTS
        + """
vms:
  db: {provision: [sleep 600]}
  web: {healthcheck: {tcp: 81, timeout: 5m}}
"""
    )
    failed = lab.vmm("up", "--wait-timeout", "20", code=1).stderr
    lines = [line for line in failed.splitlines() if "--wait-timeout" in line]
    assert any(
        line.startswith("web: failed while waiting for its healthcheck") and "81" in line for line in lines
    )
    assert any(line.startswith("db: failed while provisioning with step 1") for line in lines)
    assert lab.record("web")["health"] == "unhealthy"
    assert in_guest(lab, "pidof sleep || echo gone") == "gone"
    lab.write(DEFAULTS + "vms: {db: , web: {healthcheck: {tcp: 80, timeout: 5m}}}\n")
    lab.vmm("up")
    assert lab.record("web")["health"] == "healthy"


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_a_healthcheck_that_hangs_ends_with_the_command_that_asked(lab: Lab, signum: signal.Signals) -> None:
    lab.write(DEFAULTS + "vms: {db: {healthcheck: {command: [sh, -c, 'sleep 600; true']}}}\n")
    with lab.start("up") as child:
        eventually(lambda: asked(lab), "it is asked", 60)
        child.send_signal(signum)
        child.communicate(timeout=30)
    eventually(lambda: not asked(lab), "the command ends in the guest")
    assert not lab.run("pgrep", "-f", f"^ssh .*{lab.root}", code=None).stdout


def asked(lab: Lab) -> bool:
    done = lab.vmm("exec", "db", "--", "pidof", "sleep", code=None)
    return done.returncode == 0 and bool(done.stdout.strip())
