"""A saved plan is done as it was shown or not at all, whoever changed what on the host since.

With the stand-in for Firecracker: it is the commands that matter here and not the guests.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from lab import Lab, eventually
from stand_in_lab import DEFAULTS, stand_in_host

pytestmark = pytest.mark.root

MANIFEST = f"""
{DEFAULTS}
vms:
  db: {{}}
  web: {{ports: ["9100:80"], cpus: CPUS, depends_on: [db], env: {{PASSWORD: swordfish}}}}
"""


SCHEMA = Draft202012Validator(
    json.loads((Path(__file__).parents[3] / "schemas" / "plan.schema.json").read_text(encoding="utf-8"))
)


@pytest.fixture
def host() -> Iterator[Lab]:
    with stand_in_host() as lab:
        write(lab, cpus=1)
        yield lab


def write(lab: Lab, cpus: int) -> None:
    lab.write(MANIFEST.replace("CPUS", str(cpus)))


def up(lab: Lab) -> None:
    lab.vmm("up", "--no-wait")


def save(lab: Lab, *more: str) -> Path:
    """The project is up, and a plan to give `web` a second cpu is saved."""
    write(lab, cpus=1)
    up(lab)
    write(lab, cpus=2)
    lab.vmm("plan", "--no-wait", "--out", "a.plan", *more)
    return lab.project / "a.plan"


def runs(lab: Lab) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(lab.vmm("history", "--json").stdout)["runs"]
    return found


def cpus_of(lab: Lab, vm: str) -> int:
    return int(lab.record(vm)["spec"]["cpus"])


def delete_tap(lab: Lab) -> None:
    lab.run("ip", "link", "delete", lab.record("db")["spec"]["tap"])


def another_up(lab: Lab) -> None:
    write(lab, cpus=3)
    up(lab)


def another_restart(lab: Lab) -> None:
    write(lab, cpus=1)
    lab.vmm("restart", "--no-wait", "--grace", "0", "web")


def flush_rules(lab: Lab) -> None:
    lab.run("iptables", "-t", "nat", "-F", "VMM-PRE")


def all_down(lab: Lab) -> None:
    lab.vmm("down", "--grace", "0")


def port_by_hand(lab: Lab) -> None:
    lab.vmm("port-forward", "add", "web", "9200:22")


def test_a_saved_plan_is_applied_once_and_seen_in_the_history(host: Lab) -> None:
    file = save(host)
    assert file.stat().st_mode & 0o777 == 0o600
    pid = host.pid("db")
    done = host.vmm("apply", "a.plan")
    assert "done in" in done.stderr
    assert (cpus_of(host, "web"), host.pid("db")) == (2, pid)
    run = runs(host)[-1]
    saved = json.loads(file.read_text())
    assert (run["plan"], run["state"], run["user"]) == (saved["id"], "done", "root")
    assert [(c["address"], c["kind"]) for c in run["changes"]] == [("vm/web", "restart")]
    again = host.vmm("apply", "a.plan", code=1)
    assert "this plan was applied before: `vmm" in again.stderr
    assert runs(host)[-1]["state"] == "refused"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (delete_tap, "vm/db: the plan leaves it as it is; now it would be restarted: its TAP vmm-"),
        (
            another_up,
            "vm/web: the plan would restart it, as now, but no longer for cpus: 1 -> 2; now for cpus: 3 -> 2",
        ),
        (another_restart, "vm/web: StopVm would have pid"),
        (flush_rules, "network: the plan leaves it as it is; now it would be repaired: "),
        (all_down, "vm/web: the plan would restart it for cpus: 1 -> 2; now it would be created: image"),
        (port_by_hand, "vm/web: the steps would work with other forwards added by hand"),
    ],
)
def test_what_changed_since_is_named_and_nothing_is_touched(
    host: Lab, change: Callable[[Lab], None], named: str
) -> None:
    save(host)
    change(host)
    before = host.traces()
    refused = host.vmm("apply", "a.plan", code=1)
    assert named in refused.stderr
    assert "nothing was changed" in refused.stderr
    assert "swordfish" not in refused.stdout + refused.stderr
    assert host.traces() == before


def test_the_last_command_of_somebody_else_is_named(host: Lab) -> None:
    save(host)
    another_up(host)
    refused = host.vmm("apply", "a.plan", code=1).stderr
    assert re.search(r"since then: `vmm .*up --no-wait` by root at ", refused)
    assert "note[host-changed]: vm/web: cpus in its record: 1 -> 3" in refused


HOLDER = """
import fcntl, sys
with open(sys.argv[1], "w") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print(flush=True)
    sys.stdin.read()
"""


def test_what_changes_between_planning_and_doing_is_refused_too(host: Lab) -> None:
    """The run has found its plan as saved and waits for the host's lock when a TAP goes."""
    save(host)
    lock = str(host.data / "state" / "host.lock")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    apply = host.start("apply", "a.plan")
    eventually(lambda: runs(host)[-1]["state"] == "running", "the run has begun")
    delete_tap(host)
    before = host.traces()
    holder.communicate("")
    said, _ = apply.communicate(timeout=60)
    assert apply.returncode == 1, said
    assert "vm/db: the plan leaves it as it is; now it would be restarted" in said
    assert runs(host)[-1]["state"] == "refused"
    assert host.traces() == before


def test_a_failed_run_counts_as_applied(host: Lab) -> None:
    save(host)
    stub = host.root / "no-firecracker"
    stub.write_text("#!/bin/sh\nexit 1\n")
    stub.chmod(0o755)
    host.env["VMM_FIRECRACKER"] = str(stub)
    host.vmm("plan", "--no-wait", "--out", "b.plan")
    host.vmm("apply", "b.plan", code=1)
    assert runs(host)[-1]["state"] == "failed"
    again = host.vmm("apply", "b.plan", code=1).stderr
    assert "this plan was applied before" in again
    assert "and failed; a plan is applied once" in again
    assert "plan --out FILE" in again


def test_losing_data_takes_a_word_as_it_does_for_up(host: Lab) -> None:
    up(host)
    host.vmm("plan", "--no-wait", "--recreate", "--out", "a.plan")
    refused = host.vmm("apply", "a.plan", code=1).stderr
    assert "data would be lost" in refused
    host.vmm("apply", "--allow-data-loss", "a.plan")  # a refusal is no application


def test_an_edited_manifest_is_said_and_no_reason_to_refuse(host: Lab) -> None:
    save(host)
    write(host, cpus=4)
    done = host.vmm("apply", "a.plan")
    assert "means has changed since this plan was made; the plan is applied as it is" in done.stderr
    assert cpus_of(host, "web") == 2


def test_an_empty_plan_is_nothing_to_do(host: Lab) -> None:
    up(host)
    host.vmm("plan", "--no-wait", "--out", "a.plan", "--detailed-exitcode")
    assert "nothing to do: the plan is empty" in host.vmm("apply", "a.plan").stderr


def test_files_that_are_no_plan_of_this_host_are_refused(host: Lab) -> None:
    file = save(host)
    good = json.loads(file.read_text())
    host.vmm("apply", "nowhere.plan", code=64)
    host.vmm("-p", "blog", "apply", "a.plan", code=64)
    for text, words in (
        (json.dumps({**good, "data_dir": "/srv"}), "it was changed after it was written"),
        (file.read_text()[:-20], "it is damaged, or no saved plan"),
        ("[]", "it is no saved plan"),
        (json.dumps({**good, "format_version": 2}), "was written by another version of vmm: format 2"),
    ):
        file.write_text(text)
        assert words in host.vmm("apply", "a.plan", code=1).stderr
    file.write_text(json.dumps(good))
    host.vmm("--data-dir", str(host.root / "elsewhere"), "apply", "a.plan", code=1)
    file.chmod(0o666)
    assert "may have been written by somebody else" in host.vmm("apply", "a.plan", code=1).stderr
    file.chmod(0o600)
    host.vmm("apply", "a.plan")


def test_without_a_look_at_the_host_nothing_is_guessed(host: Lab) -> None:
    up(host)
    delete_tap(host)
    flush_rules(host)
    os.unlink(host.data / "vms" / "lab-db" / "root.ext4")
    seen = json.loads(host.vmm("plan", "--json").stdout)
    SCHEMA.validate(seen)
    assert seen["changes"]
    calm = host.vmm("plan", "--refresh=false", "--detailed-exitcode")
    assert calm.stdout.startswith("The host was not looked at (--refresh=false)")
    assert "The records of project lab are as the manifest says." in calm.stdout
    write(host, cpus=2)
    value = json.loads(host.vmm("plan", "--refresh=false", "--json", "--detailed-exitcode", code=2).stdout)
    SCHEMA.validate(value)
    assert (value["refreshed"], value["steps"]) == (False, [])
    assert [(c["address"], c["kind"]) for c in value["changes"]] == [("vm/web", "restart")]
    host.vmm("plan", "--refresh=false", "--out", "a.plan", code=64)


def test_a_target_is_a_vm_and_the_plan_says_that_it_is_not_whole(host: Lab) -> None:
    by_target = json.loads(host.vmm("plan", "--json", "--target", "vm/db").stdout)
    assert by_target == json.loads(host.vmm("plan", "--json", "db").stdout)
    assert [c["address"] for c in by_target["changes"]] == ["vm/db", "network"]
    assert "partial-plan" in {problem["code"] for problem in by_target["problems"]}
    host.vmm("plan", "--target", "network/x", code=64)
    host.vmm("up", "--no-wait", "--target", "db")
    assert not (host.data / "vms" / "lab-web.json").exists()
