"""VMs that no manifest names, and what is done to VMs by hand, go the same way as a manifest's."""

from dataclasses import replace

import pytest
from projects import converged, edit, plan_for, shop
from simulated_host import SimulatedHost

from vmmcompose.model.actions import BuildMount, ResumeVm, StartVm, StopVm, WriteRecord
from vmmcompose.model.desired import Desired, DesiredVm, Forward, Mount, Power
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Plan
from vmmcompose.network.rules import wanted_rules

REGISTER = Options(register=True)


def single(*names: str, power: Power = "stopped", **fields: object) -> Desired:
    return Desired("", tuple(DesiredVm(name, "tiny", power=power, **fields) for name in names))  # type: ignore[arg-type]


def errors(plan: Plan) -> list[str]:
    return [problem.code for problem in plan.problems if problem.severity == "error"]


def added_ports(host: SimulatedHost, name: str) -> list[int]:
    return [port.host for port in host.records[name].spec.added_ports]


def test_creating_writes_a_record_with_an_address_and_nothing_else() -> None:
    host = SimulatedHost()
    plan = plan_for(host, single("alone"), REGISTER)
    assert [type(step.action) for step in plan.steps] == [WriteRecord]
    assert [change.kind for change in plan.changes] == ["create"]
    host.run(plan)
    record = host.records["alone"]
    assert (record.state, record.spec.project, record.spec.ip) == ("stopped", "", "172.16.0.2")
    assert not host.links
    assert not host.disks
    assert plan_for(host, single("alone"), REGISTER).changes == ()


def test_who_comes_second_does_not_change_what_the_first_created() -> None:
    host = SimulatedHost()
    fresh = replace(REGISTER, fresh=True, only=("alone",))
    host.run(plan_for(host, single("alone"), fresh))
    assert errors(plan_for(host, single("alone", cpus=4), fresh)) == ["exists"]


def test_what_was_never_started_is_not_missing() -> None:
    host = SimulatedHost()
    mounts = (Mount("site", "/srv/site"),)
    host.run(plan_for(host, single("alone", mounts=mounts), REGISTER))
    plan = plan_for(host, single("alone", power="running", mounts=mounts))
    (change,) = [change for change in plan.changes if change.address == "vm/alone"]
    assert [reason.why for reason in change.reasons] == ["it was never started"]
    host.run(plan)
    assert host.records["alone"].state == "running"
    assert plan_for(host, single("alone", power="running", mounts=mounts)).changes == ()


def test_an_address_is_kept_from_creation_through_every_restart() -> None:
    host = SimulatedHost()
    for name in ("one", "two", "three"):
        host.run(plan_for(host, single(name), REGISTER))
    addresses = {name: record.spec.ip for name, record in host.records.items()}
    assert len(set(addresses.values())) == 3
    for power in ("running", "stopped", "running"):
        host.run(plan_for(host, single("three", "one", power=power)))
    host.run(plan_for(host, single("three", power="running"), Options(restart=True)))
    assert {name: record.spec.ip for name, record in host.records.items()} == addresses


def test_single_vms_do_not_know_of_each_other_nor_of_projects() -> None:
    host = converged(shop())
    host.run(plan_for(host, single("one", "two", power="running")))
    assert [peer for peer, _ in host.records["one"].spec.peers.entries] == ["one"]
    plan = plan_for(host, single("one", power="running"))
    assert plan.changes == ()
    assert not plan.problems
    assert plan_for(host, shop()).changes == ()


def test_a_single_vm_and_a_projects_vm_cannot_share_a_name() -> None:
    host = converged(shop())
    plan = plan_for(host, single("shop-web"), REGISTER)
    assert errors(plan) == ["name-taken"]
    gone = plan_for(host, single("shop-web", power="absent"))
    assert gone.steps == ()


def test_deleting_one_leaves_the_others() -> None:
    host = SimulatedHost()
    host.run(plan_for(host, single("one", "two", power="running")))
    host.run(plan_for(host, single("one", power="absent")))
    assert set(host.records) == {"two"}
    assert len(host.processes) == 1
    assert plan_for(host, single("two", power="running")).changes == ()


def test_an_unknown_image_or_a_taken_port_is_refused_when_the_vm_is_created() -> None:
    host = converged(shop())
    wrong = Desired("", (DesiredVm("alone", "nope", ports=(Forward(8080, 80),), power="stopped"),))
    assert sorted(errors(plan_for(host, wrong, REGISTER))) == ["no-image", "port-taken"]


def test_a_paused_vm_keeps_its_forwards_and_is_resumed_by_up() -> None:
    host = converged(shop())
    before = host.rules
    plan = plan_for(host, edit(shop(), "web", power="paused"), Options(only=("web",), alone=True))
    assert [change.kind for change in plan.changes] == ["pause"]
    host.run(plan)
    assert host.records["shop-web"].state == "paused"
    assert host.rules == before == wanted_rules(host.records.values(), host.settings)
    again = plan_for(host, edit(shop(), "web", power="paused"), Options(only=("web",), alone=True))
    assert again.changes == ()
    drift = plan_for(host, shop())
    assert [(change.kind, change.reasons[0].why) for change in drift.changes] == [("resume", "it is paused")]
    host.run(drift)
    assert host.paused == set()
    assert plan_for(host, shop()).changes == ()


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_an_interrupted_pause_or_resume_is_put_right(steps: int) -> None:
    host = converged(shop())
    host.run(plan_for(host, edit(shop(), "web", power="paused")), stop_after=steps)
    host.run(plan_for(host, shop()), stop_after=steps)
    host.run(plan_for(host, shop()))
    assert host.paused == set()
    assert {record.state for record in host.records.values()} == {"running"}


def test_a_restart_needed_by_a_paused_vm_is_a_restart() -> None:
    host = converged(shop())
    host.run(plan_for(host, edit(shop(), "web", power="paused")))
    plan = plan_for(host, edit(shop(), "web", cpus=2))
    kinds = [type(step.action) for step in plan.steps if step.address == "vm/web"]
    assert StopVm in kinds
    assert StartVm in kinds
    assert ResumeVm not in kinds


def test_only_a_running_vm_is_paused() -> None:
    host = converged(shop())
    host.processes.pop(host.records["shop-web"].spec.id)
    plan = plan_for(host, edit(shop(), "web", power="paused"), Options(only=("web",), alone=True))
    assert errors(plan) == ["not-running"]


def test_a_forward_added_by_hand_is_live_kept_and_told() -> None:
    host = converged(shop())
    pid = host.processes[host.records["shop-web"].spec.id]
    added = edit(shop(), "web", added_ports=(Forward(9090, 90),))
    host.run(plan_for(host, added, Options(only=("web",), alone=True, wait=False)))
    assert host.processes[host.records["shop-web"].spec.id] == pid
    assert "9090" in repr(host.rules)
    plan = plan_for(host, shop())
    assert plan.changes == ()
    assert [problem.code for problem in plan.problems] == ["added-port"]
    host.run(plan_for(host, edit(shop(), "web", cpus=2)))
    assert added_ports(host, "shop-web") == [9090]
    declared = plan_for(host, edit(shop(), "web", cpus=2, ports=(Forward(8080, 80), Forward(9090, 90))))
    host.run(declared)
    assert added_ports(host, "shop-web") == []
    assert repr(host.rules).count("--dport 9090") == 1


def test_a_forward_added_by_hand_claims_its_host_port() -> None:
    host = converged(shop())
    host.run(plan_for(host, edit(shop(), "web", added_ports=(Forward(9090, 90),)), Options(only=("web",))))
    wish = Desired("other", (DesiredVm("web", "tiny", ports=(Forward(9090, 80),)),))
    assert errors(plan_for(host, wish)) == ["port-taken"]
    again = edit(shop(), "db", added_ports=(Forward(9090, 91),))
    assert errors(plan_for(host, again, Options(only=("db",), alone=True))) == ["port-taken"]


def test_a_forward_for_a_stopped_vm_goes_into_its_record() -> None:
    host = SimulatedHost()
    host.run(plan_for(host, single("alone"), REGISTER))
    plan = plan_for(host, single("alone", added_ports=(Forward(9090, 90),)), REGISTER)
    assert [type(step.action) for step in plan.steps] == [WriteRecord]
    host.run(plan)
    assert host.records["alone"].spec.added_ports == (Forward(9090, 90),)
    host.run(plan_for(host, single("alone", power="running")))
    assert "9090" in repr(host.rules)


@pytest.mark.parametrize("mode", ["ro", "rw"])
def test_a_stopped_vms_mount_is_built_again_when_asked_for(mode: str) -> None:
    mounts = (Mount("site", "/srv/site", mode),)  # type: ignore[arg-type]
    host = SimulatedHost()
    host.run(plan_for(host, single("alone", power="running", mounts=mounts)))
    host.run(plan_for(host, single("alone", mounts=mounts)))
    options = replace(REGISTER, rebuild_mounts=("site",))
    plan = plan_for(host, single("alone", mounts=mounts), options)
    assert BuildMount in [type(step.action) for step in plan.steps]
    assert bool([change for change in plan.changes if change.data_loss]) == (mode == "rw")
    host.run(plan)
    assert plan_for(host, single("alone", mounts=mounts), REGISTER).changes == ()


def test_what_a_vm_depends_on_is_left_alone_when_only_the_vm_is_meant() -> None:
    host = converged(shop())
    host.processes.pop(host.records["shop-db"].spec.id)
    added = edit(shop(), "web", added_ports=(Forward(9090, 90),))
    plan = plan_for(host, added, Options(only=("web",), alone=True, wait=False))
    assert {change.address for change in plan.changes} == {"vm/web"}
