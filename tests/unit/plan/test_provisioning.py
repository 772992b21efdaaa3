"""Which provision scripts are run, when, and what waits for them."""

from dataclasses import replace
from itertools import pairwise

import pytest
from projects import converged, edit, plan_for, shop
from simulated_host import SimulatedHost

from vmmcompose.model.actions import RunProvision, StartVm, StopVm, UpdatePeers, WaitVm
from vmmcompose.model.desired import Condition, Dependency, Desired, DesiredVm, Healthcheck, Provision
from vmmcompose.model.observed import Source
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Plan, Step

ONE, TWO = Provision("one", "echo 1"), Provision("two", "echo 2")


def with_scripts(*scripts: Provision) -> Desired:
    return edit(shop(), "db", provision=scripts, healthcheck=Healthcheck(tcp=5432))


def scripts(plan: Plan) -> list[str]:
    return [step.action.provision.name for step in plan.steps if isinstance(step.action, RunProvision)]


def only(plan: Plan, kind: type, vm: str = "db") -> list[Step]:
    return [step for step in plan.steps if isinstance(step.action, kind) and step.address == f"vm/{vm}"]


def test_first_ssh_then_one_script_after_the_other_then_the_healthcheck() -> None:
    plan = plan_for(SimulatedHost(), with_scripts(ONE, TWO))
    (start,), (ssh, ready) = only(plan, StartVm), only(plan, WaitVm)
    one, two = only(plan, RunProvision)
    chain = [start, ssh, one, two, ready]
    assert all(first.id in then.after for first, then in pairwise(chain))
    assert isinstance(ssh.action, WaitVm)
    assert (ssh.action.until, ssh.action.timeout_s) == ("ssh", 120)


def test_each_is_run_once_per_content_and_disk() -> None:
    host = converged(with_scripts(ONE, TWO))
    assert scripts(plan_for(host, with_scripts(ONE, TWO))) == []
    assert scripts(plan_for(host, with_scripts(TWO, ONE))) == [], "another order"
    assert scripts(plan_for(host, with_scripts(replace(ONE, name="renamed"), TWO))) == []
    assert scripts(plan_for(host, with_scripts(ONE, replace(TWO, content="echo 3")))) == ["two"]
    assert scripts(plan_for(host, with_scripts(ONE, TWO), Options(recreate=True))) == ["one", "two"]
    assert scripts(plan_for(host, with_scripts(ONE, TWO), Options(restart=True))) == []
    again = replace(ONE, name="again")
    assert scripts(plan_for(SimulatedHost(), with_scripts(ONE, again, TWO))) == ["one", "two"]


def test_an_edited_script_is_a_live_change() -> None:
    host = converged(with_scripts(ONE))
    plan = plan_for(host, with_scripts(replace(ONE, content="echo 3")))
    assert not only(plan, StopVm) + only(plan, StartVm)
    (change,) = plan.changes
    assert (change.kind, [(r.field, r.why) for r in change.reasons]) == (
        "update",
        [("provision.one", "changed")],
    )
    (ready,) = [step for step in only(plan, WaitVm) if step.action.until == "ready"]  # type: ignore[union-attr]
    assert scripts(plan) == ["one"]
    assert only(plan, RunProvision)[0].id in ready.after, "who changes a guest looks whether it is still well"


def test_without_waiting_scripts_are_run_all_the_same() -> None:
    plan = plan_for(
        SimulatedHost(), Desired("s", (DesiredVm("db", "tiny", provision=(ONE,)),)), Options(wait=False)
    )
    assert scripts(plan) == ["one"]
    assert [step.action.until for step in only(plan, WaitVm)] == ["ssh"]  # type: ignore[union-attr]


def test_an_interrupted_run_goes_on_with_what_is_left() -> None:
    host, desired = SimulatedHost(), with_scripts(ONE, TWO)
    plan = plan_for(host, desired)
    host.run(plan, stop_after=only(plan, RunProvision)[1].id)
    rest = plan_for(host, desired)
    (change,) = [change for change in rest.changes if change.address == "vm/db"]
    assert (change.kind, change.reasons[-1].why) == ("update", "two has not been done")
    assert scripts(rest) == ["two"]


def test_a_guest_knows_its_new_peers_before_its_scripts_run() -> None:
    host = converged(Desired("shop", shop().vms[:1]))
    plan = plan_for(host, with_scripts(ONE))
    assert only(plan, UpdatePeers)[0].id in only(plan, RunProvision)[0].after


def test_a_command_for_something_else_runs_no_script() -> None:
    host = SimulatedHost()
    desired = Desired("s", (DesiredVm("db", "tiny", provision=(ONE,)),))
    plan = plan_for(host, desired)
    host.run(plan, stop_after=only(plan, RunProvision)[0].id)
    assert plan_for(host, desired).changes
    assert plan_for(host, desired, Options(provision=False, wait=False)).changes == ()


def test_a_script_file_is_read_and_a_missing_one_is_a_problem() -> None:
    script = Provision("setup.sh", source="/srv/setup.sh")
    host = SimulatedHost(sources={"/srv/setup.sh": Source("file", "d", "echo here\n")})
    (step,) = only(plan_for(host, with_scripts(script)), RunProvision)
    assert isinstance(step.action, RunProvision)
    assert step.action.provision == Provision("setup.sh", "echo here\n")
    host.sources["/srv/setup.sh"] = Source("missing")
    (problem,) = [p for p in plan_for(host, with_scripts(script)).problems if p.severity == "error"]
    assert (problem.code, problem.at) == ("no-such-file", ("vms", "db", "provision", "setup.sh"))


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize(
    ("condition", "kind"), [("started", StartVm), ("provisioned", RunProvision), ("healthy", WaitVm)]
)
def test_each_condition_waits_for_its_step(condition: Condition, kind: type, *, required: bool) -> None:
    """A dependency that is not required is waited for, and not needed."""
    desired = edit(with_scripts(ONE, TWO), "web", depends_on=(Dependency("db", condition, required),))
    plan = plan_for(SimulatedHost(), desired)
    (start,) = only(plan, StartVm, "web")
    last = only(plan, kind)[-1].id
    others = {step.id for step in plan.steps if step.address == "vm/db"} - {last}
    assert last in (start.after if required else start.weak)
    assert not start.before & others


def test_provisioned_without_scripts_is_an_answer_on_ssh() -> None:
    checked = edit(shop(), "db", healthcheck=Healthcheck(tcp=5432))
    desired = edit(checked, "web", depends_on=(Dependency("db", "provisioned"),))
    plan = plan_for(SimulatedHost(), desired)
    (ssh,) = [step for step in only(plan, WaitVm) if step.action.until == "ssh"]  # type: ignore[union-attr]
    assert ssh.id in only(plan, StartVm, "web")[0].after
    plain = edit(shop(), "web", depends_on=(Dependency("db", "provisioned"),))
    assert len(only(plan_for(SimulatedHost(), plain), WaitVm)) == 1, "the wait it has anyway is the same"


def test_conditions_that_hold_already_are_not_waited_for() -> None:
    host = converged(with_scripts(ONE))
    host.processes.pop(host.records["shop-web"].spec.id)
    for condition in ("started", "provisioned", "healthy"):
        desired = edit(with_scripts(ONE), "web", depends_on=(Dependency("db", condition),))
        plan = plan_for(host, desired)
        assert only(plan, StartVm, "web")
        assert not only(plan, WaitVm) + only(plan, RunProvision), condition


def test_a_dependency_that_does_not_run_is_not_waited_for() -> None:
    """Its profile is not chosen, or it was stopped by name."""
    web = edit(shop(), "web", depends_on=(Dependency("db", "healthy", required=False),))
    alone = replace(web, vms=web.vms[1:], inactive=web.vms[:1])
    (start,) = only(plan_for(SimulatedHost(), alone), StartVm, "web")
    assert not start.weak
    stopped = edit(web, "db", power="stopped")
    (start,) = only(plan_for(SimulatedHost(), stopped), StartVm, "web")
    assert not start.weak


def test_an_unneeded_dependent_that_will_not_stop_holds_nobody_up() -> None:
    web = edit(shop(), "web", depends_on=(Dependency("db", "healthy", required=False),))
    plan = plan_for(converged(web), web, Options(restart=True))
    assert only(plan, StopVm, "web")[0].id in only(plan, StopVm)[0].weak
