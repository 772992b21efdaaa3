"""Going back to a memory snapshot: the steps, what is lost, what stands in the way, and interruptions."""

from dataclasses import replace
from typing import Any

import pytest
from projects import converged, edit, plan_for, shop
from simulated_host import MIB, SimulatedHost

from vmmcompose.model.actions import (
    CreateTap,
    RestoreDisks,
    SetClock,
    StageDisks,
    StartVm,
    StopVm,
    UpdatePeers,
    WaitVm,
    WriteRecord,
)
from vmmcompose.model.desired import Attachment, Desired, Mount
from vmmcompose.model.observed import Disk
from vmmcompose.model.options import Options
from vmmcompose.model.peers import peers_of
from vmmcompose.model.plan import Plan
from vmmcompose.model.snapshot import Restore, Snapshot

MADE = "2026-01-02T03:04:05Z"


def kept(host: SimulatedHost, **spec: Any) -> Snapshot:
    """A snapshot of shop-web as it is now, but for what of its spec is said."""
    record = host.records["shop-web"]
    return Snapshot(
        "kept", MADE, replace(record, process=None, spec=replace(record.spec, **spec)), "/data", "cpu"
    )


def restore(snapshot: Snapshot, **changes: Any) -> Options:
    asked = Restore(snapshot, "/data", "cpu")
    return Options(only=("web",), alone=True, restore=replace(asked, **changes))


def actions(plan: Plan) -> list[type]:
    return [type(step.action) for step in plan.steps]


def as_kept(snapshot: Snapshot) -> Desired:
    """The project with web as the snapshot knows it."""
    spec = snapshot.record.spec
    return edit(shop(), "web", cpus=spec.cpus, memory_mib=spec.memory_mib, disk_mib=spec.disk_mib)


def test_disks_are_copied_while_it_runs_and_put_in_place_when_it_does_not() -> None:
    host = converged(shop())
    plan = plan_for(host, shop(), restore(kept(host)))
    assert actions(plan) == [
        WriteRecord,
        StageDisks,
        StopVm,
        RestoreDisks,
        CreateTap,
        StartVm,
        WaitVm,
        SetClock,
    ]
    stop = next(step.action for step in plan.steps if isinstance(step.action, StopVm))
    assert stop.grace_s == 0, "what it would write now is thrown away"
    start = next(step.action for step in plan.steps if isinstance(step.action, StartVm))
    assert start.snapshot == "kept"
    (change,) = plan.changes
    assert (change.address, change.kind) == ("vm/web", "restore")
    assert change.data_loss == f"what VM `web` wrote to its disks since {MADE}"
    host.run(plan)
    assert plan_for(host, shop()).changes == ()


def test_a_stopped_vm_goes_back_as_well() -> None:
    host = converged(shop())
    snapshot = kept(host)
    stopped = edit(shop(), "web", power="stopped")
    host.run(plan_for(host, stopped))
    plan = plan_for(host, shop(), restore(snapshot))
    assert StopVm not in actions(plan)
    host.run(plan)
    assert plan_for(host, shop()).changes == ()


def test_without_waiting_nobody_is_asked_for_the_time() -> None:
    host = converged(shop())
    plan = plan_for(host, shop(), replace(restore(kept(host)), wait=False))
    assert not {WaitVm, SetClock} & set(actions(plan))


def test_the_vm_becomes_what_it_was_and_the_disk_may_have_been_smaller() -> None:
    host = converged(shop())
    snapshot = kept(host, cpus=4)
    host.disks["shop-web"] = Disk(64 * 1024 * MIB)
    desired = as_kept(snapshot)
    plan = plan_for(host, desired, restore(snapshot))
    assert [problem for problem in plan.problems if problem.severity == "error"] == []
    host.run(plan)
    assert host.records["shop-web"].spec.cpus == 4
    assert plan_for(host, desired).changes == ()


def test_new_names_are_told_to_a_guest_that_knows_old_ones() -> None:
    host = converged(shop())
    snapshot = kept(host, peers=peers_of([("web", host.records["shop-web"].spec.ip)]))
    plan = plan_for(host, shop(), restore(snapshot))
    assert actions(plan)[-2:] == [UpdatePeers, SetClock]
    host.run(plan)
    assert plan_for(host, shop()).changes == ()


@pytest.mark.parametrize(
    ("spec", "changes", "words"),
    [
        ({"ip": "172.16.9.9"}, {}, "its address was 172.16.9.9 and is 172.16."),
        ({"mac": "06:00:00:00:00:01"}, {}, "its MAC was"),
        ({"tap": "vmm-other"}, {}, "its TAP was"),
        ({"id": "other"}, {}, "its id was"),
        ({"gateway": "10.0.0.1"}, {}, "its gateway was"),
        ({"mounts": (Mount("more", "/srv/more"),)}, {}, "its mounts were more:"),
        ({"volumes": (Attachment("data", "/data"),)}, {}, "it has volumes"),
        ({}, {"cpu": "another"}, "made on another CPU: cpu, and this host has another"),
        ({}, {"root": "/elsewhere"}, "lay below /data and lie below /elsewhere"),
        ({}, {"fault": "its format is 9.0.0"}, "snapshot kept: its format is 9.0.0"),
    ],
)
def test_memory_goes_on_only_where_and_as_it_was(
    spec: dict[str, Any], changes: dict[str, Any], words: str
) -> None:
    host = converged(shop())
    plan = plan_for(host, shop(), restore(kept(host, **spec), **changes))
    errors = [problem for problem in plan.problems if problem.severity == "error"]
    assert [problem.code for problem in errors] == ["cannot-restore"]
    assert words in errors[0].message


def test_interrupted_at_any_step_the_next_run_converges() -> None:
    count = len(plan_for(converged(shop()), shop(), restore(kept(converged(shop())))).steps)
    for step in range(count + 1):
        host = converged(shop())
        host.run(plan_for(host, shop(), restore(kept(host))), stop_after=step)
        host.run(plan_for(host, shop()))
        assert plan_for(host, shop()).changes == (), step
        assert host.records["shop-web"].state == "running"


def test_interrupted_at_any_step_it_can_be_asked_for_again() -> None:
    count = len(plan_for(converged(shop()), shop(), restore(kept(converged(shop())))).steps)
    for step in range(count + 1):
        host = converged(shop())
        snapshot = kept(host)
        host.run(plan_for(host, shop(), restore(snapshot)), stop_after=step)
        host.run(plan_for(host, shop(), restore(snapshot)))
        assert plan_for(host, shop()).changes == (), step
