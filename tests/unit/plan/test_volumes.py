"""Volumes between VMs, beside manifests and after interruptions."""

from dataclasses import replace

import pytest
from counting import calls_of, grows_steadily
from projects import converged, plan_for
from simulated_host import MIB, SimulatedHost

from vmmcompose.cli.project import as_recorded
from vmmcompose.model.actions import CreateVolume, DeleteVolume, GrowVolume, StartVm, StopVm
from vmmcompose.model.desired import Attachment, Desired, DesiredVm, Volume
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Plan, Step

DATA = (Attachment("data", "/data"),)
READ = (Attachment("data", "/data", "ro"),)


def project(*vms: DesiredVm, size_mib: int = 64) -> Desired:
    return Desired("lab", vms, volumes=(Volume("data", size_mib),))


def vm(name: str, *volumes: Attachment, **more: object) -> DesiredVm:
    return DesiredVm(name, "tiny", volumes=volumes, **more)  # type: ignore[arg-type]


def errors(plan: Plan) -> list[str]:
    return [problem.code for problem in plan.problems if problem.severity == "error"]


def notes(plan: Plan) -> list[str]:
    return [problem.code for problem in plan.problems if problem.severity == "note"]


def find(plan: Plan, kind: type, address: str) -> Step:
    (step,) = (step for step in plan.steps if isinstance(step.action, kind) and step.address == address)
    return step


def waits(plan: Plan, step: Step) -> set[int]:
    """All that must have been done before a step."""
    found: set[int] = set()
    queue = list(step.after)
    while queue:
        number = queue.pop()
        found.add(number)
        queue += plan.steps[number].after - found
    return found


def test_where_a_change_was_cut_short_nobody_gets_a_volume_that_may_still_be_open() -> None:
    """Both records say the new, and `a` runs with the old."""
    before, after = project(vm("a", *DATA), vm("b")), project(vm("a"), vm("b", *DATA))
    host = converged(before)
    plan = plan_for(host, after)
    intents = sum(step.is_intent for step in plan.steps)
    host.run(plan, stop_after=intents)
    again = plan_for(host, after)
    assert find(again, StopVm, "vm/a").id in waits(again, find(again, StartVm, "vm/b"))
    alone = plan_for(host, after, Options(only=("b",)))
    assert errors(alone) == ["volume-in-use"]
    assert "`vmm up a` ends that change" in alone.problems[-1].hint
    host.run(again)
    assert plan_for(host, after).changes == ()


def test_vms_that_read_one_volume_are_not_compared_with_each_other() -> None:
    def work(count: int) -> int:
        before = project(*(vm(f"v{number}", *READ) for number in range(count)))
        after = replace(before, vms=tuple(replace(one, cpus=2) for one in before.vms))
        host = converged(before)
        return calls_of(lambda: plan_for(host, after))

    assert grows_steadily(work, 50, 400)


def test_a_paused_vm_has_its_volumes_still() -> None:
    host = converged(project(vm("a", *DATA), vm("b")))
    host.records["lab-a"] = replace(host.records["lab-a"], state="paused")
    plan = plan_for(host, project(vm("a", *DATA, power="paused"), vm("b", *DATA)))
    assert errors(plan) == ["volume-in-use"]


def test_readers_of_a_volume_do_not_wait_for_each_other() -> None:
    both = project(vm("a", *READ), vm("b", *READ))
    plan = plan_for(converged(both), both, Options(restart=True))
    assert errors(plan) == []
    assert find(plan, StopVm, "vm/a").id not in waits(plan, find(plan, StartVm, "vm/b"))


def test_a_writer_waits_for_the_readers() -> None:
    host = converged(project(vm("a", *READ), vm("b", *READ)))
    plan = plan_for(host, project(vm("a"), vm("b", *DATA)))
    assert find(plan, StopVm, "vm/a").id in waits(plan, find(plan, StartVm, "vm/b"))


def test_a_volume_of_no_vm_is_not_made() -> None:
    plan = plan_for(SimulatedHost(), project(vm("a")))
    assert not any(isinstance(step.action, CreateVolume) for step in plan.steps)


def test_a_vm_that_stays_stopped_leaves_its_volume_as_it_is() -> None:
    host = converged(project(vm("a", *DATA)))
    stopped = project(vm("a", *DATA, power="stopped"), size_mib=4096)
    plan = plan_for(host, stopped)
    assert not any(isinstance(step.action, GrowVolume) for step in plan.steps)


def test_records_alone_start_a_vm_with_its_volume_as_big_as_it_is() -> None:
    host = converged(project(vm("a", *DATA), size_mib=777))
    host.run(plan_for(host, project(vm("a", *DATA, power="stopped"), size_mib=777)))
    recorded = as_recorded("lab", host.records.values())
    up = replace(recorded, vms=tuple(replace(one, power="running") for one in recorded.vms))
    plan = plan_for(host, up)
    assert errors(plan) == []
    host.run(plan)
    assert host.volumes["lab", "data"].size_bytes == 777 * MIB


def test_records_alone_cannot_make_a_volume_anew() -> None:
    host = converged(project(vm("a", *DATA)))
    host.processes.clear()
    host.volumes.clear()
    plan = plan_for(host, as_recorded("lab", host.records.values()))
    assert errors(plan) == ["no-volume"]


def left_alone(host: SimulatedHost) -> Desired:
    """What `vmm volume delete` plans for: all VMs stay as they are."""
    return Desired("lab", inactive=as_recorded("lab", host.records.values()).vms)


def test_a_volume_is_deleted_by_its_name_and_nothing_else_happens() -> None:
    host = converged(project(vm("a", *DATA), vm("b")))
    host.run(plan_for(host, project(vm("a", *DATA, power="stopped"), vm("b"))))
    plan = plan_for(host, left_alone(host), Options(volumes=("data",)))
    assert [(change.address, change.kind) for change in plan.changes] == [("volume/data", "delete")]
    assert plan.changes[0].data_loss == "all that is in volume `data` (64 MiB)"
    assert [type(step.action) for step in plan.steps] == [DeleteVolume]
    assert plan.problems == ()


def test_a_volume_is_not_deleted_under_a_vm_that_runs() -> None:
    host = converged(project(vm("a", *DATA)))
    plan = plan_for(host, left_alone(host), Options(volumes=("data",)))
    assert errors(plan) == ["volume-in-use"]
    assert "while VM `a` runs" in plan.problems[0].message


def test_vms_of_profiles_that_are_not_chosen_keep_their_volumes_without_a_word() -> None:
    host = converged(project(vm("a", *DATA)))
    plan = plan_for(host, Desired("lab", inactive=(vm("a", *DATA),)))
    assert plan.changes == ()
    assert plan.problems == ()


def test_single_vms_and_other_projects_see_none_of_it() -> None:
    host = converged(project(vm("a", *DATA)))
    for other in (Desired("", (DesiredVm("x", "tiny"),)), Desired("blog", (DesiredVm("x", "tiny"),))):
        plan = plan_for(host, other, Options(delete_volumes=True))
        assert "stray-volume" not in notes(plan)
        assert not any(isinstance(step.action, DeleteVolume) for step in plan.steps)


def test_without_room_for_a_new_volume_what_runs_goes_on() -> None:
    host = converged(project(vm("a")))
    plan = plan_for(host, project(vm("a", *DATA)))
    assert find(plan, CreateVolume, "volume/data").id in waits(plan, find(plan, StopVm, "vm/a"))


@pytest.mark.parametrize(
    ("asked", "manifest", "given"), [(None, 90.0, 90.0), (5.0, 90.0, 5.0), (None, 30.0, 30.0)]
)
def test_the_time_to_shut_down(asked: float | None, manifest: float, given: float) -> None:
    """What the command says, else what the manifest says now, whatever was applied before."""
    host = converged(project(vm("a", stop_grace_s=7.0)))
    for power in ("stopped", "absent"):
        desired = project(vm("a", stop_grace_s=manifest, power=power))
        stop = find(plan_for(host, desired, Options(grace_s=asked)), StopVm, "vm/a").action
        assert isinstance(stop, StopVm)
        assert stop.grace_s == given


def test_an_orphan_has_the_time_that_was_applied() -> None:
    host = converged(project(vm("a", stop_grace_s=7.0)))
    stop = find(plan_for(host, project(), Options(remove_orphans=True)), StopVm, "vm/a").action
    assert isinstance(stop, StopVm)
    assert stop.grace_s == 7.0
