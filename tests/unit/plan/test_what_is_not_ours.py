"""What a plan leaves alone: other projects' VMs, other tools' records, disks that were to be kept."""

from dataclasses import replace

from projects import converged, edit, plan_for, shop
from simulated_host import SimulatedHost

from vmmcompose.model.actions import StopVm
from vmmcompose.model.desired import Desired, DesiredVm
from vmmcompose.model.observed import Observed, Source
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Plan
from vmmcompose.model.record import UnreadableRecord
from vmmcompose.plan import make_plan

DOWN = Options(remove_orphans=True)


def absent(project: str, *names: str) -> Desired:
    return Desired(project, tuple(DesiredVm(name, "tiny", power="absent") for name in names))


def errors(plan: Plan) -> list[str]:
    return [problem.code for problem in plan.problems if problem.severity == "error"]


def test_a_vm_of_another_project_with_the_same_name_on_the_host_is_not_deleted() -> None:
    host = converged(Desired("a", (DesiredVm("b-c", "tiny"),)))
    plan = plan_for(host, absent("a-b", "c"), DOWN)
    assert plan.changes == ()
    assert plan.steps == ()


def test_a_record_of_another_tool_is_not_deleted() -> None:
    host = SimulatedHost(folders={"shop-web"})
    foreign = UnreadableRecord("shop-web", "/var/lib/vmm/vms/shop-web.json", "not ours", foreign=True)
    seen: Observed = replace(host.observe(), unreadable=(foreign,))
    assert make_plan(absent("shop", "web"), seen, host.settings, {}, DOWN).changes == ()


def test_keep_disks_keeps_the_disk_of_a_vm_whose_record_is_gone() -> None:
    host = converged(shop())
    del host.records["shop-db"]
    disks = dict(host.disks)
    plan = plan_for(host, absent("shop", "db", "web"), replace(DOWN, keep_disks=True))
    assert "stray-process" not in [problem.code for problem in plan.problems]
    host.run(plan)
    assert host.disks == disks
    assert not host.processes
    assert plan_for(host, absent("shop", "db", "web"), replace(DOWN, keep_disks=True)).changes == ()


def test_the_disk_tells_its_image_when_a_change_was_taken_back_halfway() -> None:
    host = converged(shop())
    plan = plan_for(host, edit(shop(), "db", image="debian-12"))
    host.run(plan, stop_after=1)
    back = plan_for(host, shop())
    assert [(change.kind, change.data_loss) for change in back.changes] == [("restart", "")]
    host.run(back)
    assert plan_for(host, shop()).changes == ()


def test_stopping_is_refused_for_nothing() -> None:
    """A taken port or a missing file is the business of who starts the VM."""
    host = converged(shop())
    host.facts = replace(host.facts, listeners=frozenset({("tcp", "0.0.0.0", 8080)}))
    stopped = edit(shop(), "web", power="stopped", ssh_keys=("/nowhere/key.pub",))
    plan = plan_for(host, stopped, Options(only=("web",)))
    assert errors(plan) == []
    assert any(isinstance(step.action, StopVm) for step in plan.steps)


def test_vms_that_nobody_asked_about_do_not_stand_in_the_way() -> None:
    broken = edit(shop(), "web", ssh_keys=("/nowhere/key.pub",))
    assert errors(plan_for(converged(shop()), broken, Options(only=("db",)))) == []
    assert errors(plan_for(converged(shop()), broken, Options(only=("web",)))) == ["no-such-file"]


def test_a_folder_that_this_user_may_not_read_is_no_fault_of_the_manifest() -> None:
    host = SimulatedHost(sources={"/srv/site": Source("unreadable")})
    assert errors(plan_for(host, shop())) == ["bad-mount"]
    host.facts = replace(host.facts, root=False)
    assert errors(plan_for(host, shop())) == []
