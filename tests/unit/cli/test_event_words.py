"""Events, changes and summaries in words."""

import json
from typing import Any

import pytest

from vmmcompose.model.actions import (
    Action,
    BuildMount,
    CreateTap,
    DeleteVm,
    RunProvision,
    StartVm,
    SyncNetwork,
    WaitVm,
)
from vmmcompose.model.desired import Desired, DesiredVm, Forward, Healthcheck, Mount, Provision
from vmmcompose.model.plan import Change, Event, Plan, Reason, Step
from vmmcompose.model.spec import VmSpec
from vmmcompose.render.events import (
    change_lines,
    done_line,
    event_json,
    event_line,
    failed_line,
    forward_text,
    idle_line,
)
from vmmcompose.render.tables import ago, mib, table, width


def spec(**fields: Any) -> VmSpec:
    values = {
        "name": "shop-web", "id": "0123456789ab", "project": "shop", "vm": "web", "driver": "qemu",
        "image": "tiny", "kernel": "default", "boot_args": "", "cpus": 1, "memory_mib": 128, "disk_mib": 64,
        "hostname": "web", "ip": "172.16.0.2", "prefix_len": 16, "gateway": "172.16.0.1",
        "mac": "06:00:ac:10:00:02", "tap": "vmm-0123456789a",
    }  # fmt: skip
    return VmSpec(**{**values, **fields})


def step(action: Action, address: str = "vm/web") -> Step:
    return Step(1, address, action)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Event(step(StartVm(spec())), "started"), "web: starting"),
        (Event(step(StartVm(spec())), "done", seconds=0.26), "web: started (0.3s)"),
        (Event(step(CreateTap(spec())), "started"), ""),
        (Event(step(WaitVm(spec(), 9)), "progress", "kernel up"), "web: kernel up"),
        (Event(step(WaitVm(spec(), 9)), "progress", "waiting for an answer"), ""),
        (Event(step(WaitVm(spec(healthcheck=Healthcheck(tcp=1)), 9)), "done"), "web: healthy (0.0s)"),
        (
            Event(step(WaitVm(spec(healthcheck=Healthcheck(tcp=1)), 9, "ssh")), "done"),
            "web: answers on SSH (0.0s)",
        ),
        (Event(step(RunProvision(spec(), Provision("gate"))), "progress", "Unpacking"), "web: Unpacking"),
        (
            Event(step(RunProvision(spec(), Provision("gate"))), "done", seconds=3.2),
            "web: provisioned with gate (3.2s)",
        ),
        (
            Event(
                step(RunProvision(spec(), Provision("gate"))), "failed", "VM web: gate ended with exit code 3"
            ),
            "web: failed while provisioning with gate (0.0s): gate ended with exit code 3",
        ),
        (
            Event(step(BuildMount("shop-web", Mount("site", "/s", "ro"))), "started"),
            "web: building mount site",
        ),
        (Event(step(SyncNetwork(), "network"), "started"), ""),
        (
            Event(
                step(StartVm(spec())),
                "skipped",
                cause=step(WaitVm(spec(vm="db", healthcheck=Healthcheck(tcp=1)), 9), "vm/db"),
            ),
            "web: starting skipped: db failed while waiting for its healthcheck",
        ),
        (
            Event(step(WaitVm(spec(), 9)), "failed", "VM web: no answer", "last lines:\n  panic", 9.04),
            "web: failed while waiting for an answer (9.0s): no answer\n    last lines:\n      panic",
        ),
    ],
)
def test_event_lines(event: Event, expected: str) -> None:
    assert event_line(event) == expected


def test_event_as_json_is_one_line() -> None:
    value = event_json(Event(step(DeleteVm("shop-web", "0123456789ab")), "failed", "a\nb", "c", 1.23456))
    assert value["action"] == "DeleteVm"
    assert value["level"] == "error"
    assert value["seconds"] == 1.235
    assert "\n" not in json.dumps(value)


def test_a_change_in_one_line_shows_three_reasons() -> None:
    reasons = tuple(Reason(field, "1", "2") for field in ("cpus", "memory", "disk", "kernel", "dns"))
    changes = (
        Change("network", "delete"),
        Change("vm/web", "restart", reasons),
        Change("vm/db", "repair", (Reason(why="its process is gone"),)),
    )
    assert change_lines(Plan("shop", changes)) == [
        "db: repair (its process is gone)",
        "web: restart (cpus: 1 -> 2, memory: 1 -> 2, disk: 1 -> 2, 2 more)",
        "network: delete",
    ]


def test_data_that_is_lost_is_said_before_anything_is_done() -> None:
    change = Change("vm/web", "replace", (Reason("image", "a", "b"),), "the root disk of VM `web` (64 MiB)")
    assert change_lines(Plan("shop", (change,))) == [
        "web: replace (image: a -> b); data is lost: the root disk of VM `web` (64 MiB)"
    ]


def test_a_failed_run_says_how_far_it_came() -> None:
    assert failed_line(["db"], {"done": 12, "failed": 1, "skipped": 3}, 8.26) == (
        "db failed after 8.3s, see above; 12 steps done, 1 failed, 3 that depend on it skipped"
    )
    assert failed_line(["a", "b"], {"done": 1, "failed": 2}, 1) == (
        "a, b failed after 1.0s, see above; 1 step done, 2 failed"
    )


def test_done_line_counts() -> None:
    changes = (
        Change("vm/a", "create"),
        Change("vm/b", "create"),
        Change("vm/c", "restart"),
        Change("network", "create"),
    )
    assert (
        done_line(Plan("shop", changes), 8.26) == "done in 8.3s: 2 VMs created, 1 restarted, network created"
    )
    assert done_line(Plan("shop", changes[2:3]), 1) == "done in 1.0s: 1 VM restarted"


def test_idle_line() -> None:
    vms = (DesiredVm("a", "tiny"), DesiredVm("b", "tiny"), DesiredVm("c", "tiny", power="stopped"))
    assert idle_line(Desired("shop", vms), ()) == "nothing to do: 3 VMs as the manifest says"
    assert idle_line(Desired("shop", vms), ("a",)) == "nothing to do: 1 VM as the manifest says"
    assert idle_line(Desired("shop", vms), ("c",)) == "nothing to do: 1 VM stopped"
    assert idle_line(Desired("shop"), ()) == "nothing to do: project shop has nothing on this host"


def test_forwards() -> None:
    assert forward_text(Forward(53, 5353, "udp", "10.0.0.1"), "dns") == "10.0.0.1:53/udp -> dns:5353"
    assert forward_text(Forward(8080, 80), "web").startswith("127.0.0.1:8080 -> web:80  (on every")


def test_table_fits_its_widest_cells_and_marks_empty_ones() -> None:
    text = table(("NAME", "IP"), [("web", ""), ("datenbank", "10.0.0.1"), ("日本", "x")])
    assert text.splitlines() == ["NAME       IP", "web        -", "datenbank  10.0.0.1", "日本       x"]
    assert width("e\u0301") == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (-5, "0s"), (59.9, "59s"), (302, "5m02s"), (3700, "1h01m"), (273600, "3d4h")],
)
def test_ago(seconds: float, text: str) -> None:
    assert ago(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1536, "1.5 KiB"), (3 << 30, "3.0 GiB"), (2 << 40, "2.0 TiB")]
)
def test_mib(size: int, text: str) -> None:
    assert mib(size) == text
