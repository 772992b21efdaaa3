"""Which step waits for which."""

from collections.abc import Callable
from dataclasses import replace

from projects import converged, edit, plan_for, shop

from vmmcompose.model.actions import CreateTap, StartVm, StopVm, SyncNetwork, UpdatePeers, WaitVm
from vmmcompose.model.desired import Dependency, Desired, DesiredVm, Healthcheck
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Plan, Step

UP = Options(remove_orphans=True)


def find(plan: Plan, vm: str, kind: type) -> Step:
    (step,) = (s for s in plan.steps if isinstance(s.action, kind) and s.address in (f"vm/{vm}", vm))
    return step


def before(plan: Plan, step: Step) -> set[int]:
    """All steps that are done before this one begins."""
    found: set[int] = set()
    queue = list(step.before)
    while queue:
        number = queue.pop()
        if number not in found:
            found.add(number)
            queue += plan.steps[number].before
    return found


def test_dependents_stop_first_and_start_last() -> None:
    plan = plan_for(converged(shop()), shop(), Options(restart=True))
    assert find(plan, "web", StopVm).id in before(plan, find(plan, "db", StopVm))
    assert find(plan, "db", WaitVm).id in before(plan, find(plan, "web", StartVm))


def test_independent_vms_do_not_wait_for_each_other() -> None:
    apart = edit(shop(), "web", depends_on=())
    plan = plan_for(converged(apart), apart, Options(restart=True))
    ours = {step.id for step in plan.steps if step.address == "vm/web"}
    theirs = [step for step in plan.steps if step.address == "vm/db"]
    assert not any(before(plan, step) & ours for step in theirs)


def test_the_bridge_comes_before_taps() -> None:
    host = converged(shop())
    host.links.clear()
    host.processes.clear()
    plan = plan_for(host, shop())
    for vm in ("db", "web"):
        assert find(plan, "network", SyncNetwork).id in before(plan, find(plan, vm, CreateTap))


def test_nobody_starts_with_an_address_that_a_running_guest_still_has() -> None:
    one = Desired("s", (DesiredVm("a", "tiny", ip="172.16.0.9"),))
    other = Desired("s", (DesiredVm("b", "tiny", ip="172.16.0.9"),))
    plan = plan_for(converged(one), other, UP)
    assert find(plan, "a", StopVm).id in before(plan, find(plan, "b", StartVm))


def test_two_vms_may_swap_their_addresses() -> None:
    def project(a: str, b: str) -> Desired:
        return Desired("s", (DesiredVm("a", "tiny", ip=a), DesiredVm("b", "tiny", ip=b)))

    host = converged(project("172.16.0.8", "172.16.0.9"))
    swapped = project("172.16.0.9", "172.16.0.8")
    plan = plan_for(host, swapped, UP)
    assert find(plan, "a", StopVm).id in before(plan, find(plan, "b", StartVm))
    assert find(plan, "b", StopVm).id in before(plan, find(plan, "a", StartVm))
    host.run(plan)
    assert plan_for(host, swapped, UP).changes == ()


def test_names_are_written_when_the_guest_answers() -> None:
    """Guests started with --no-wait may not be up yet when the next command has names for them."""
    grown = replace(shop(), vms=(*shop().vms, DesiredVm("zoo", "tiny")))
    host = converged(Desired("shop", shop().vms[:1]), Options(wait=False))
    plan = plan_for(host, grown)
    assert find(plan, "db", WaitVm).id in before(plan, find(plan, "db", UpdatePeers))
    settled = plan_for(converged(shop()), grown)
    assert not [
        step for step in settled.steps if isinstance(step.action, WaitVm) and step.address == "vm/web"
    ]


def test_another_healthcheck_is_waited_for() -> None:
    checked = edit(shop(), "db", healthcheck=Healthcheck(tcp=5432))
    host = converged(shop())
    plan = plan_for(host, checked)
    assert find(plan, "db", WaitVm)
    host.run(plan)
    assert plan_for(host, checked).changes == ()


def test_records_of_two_manifests_that_depend_on_each_other_can_be_stopped() -> None:
    host = converged(shop())
    record = host.records["shop-db"]
    host.records["shop-db"] = replace(record, spec=replace(record.spec, depends_on=(Dependency("web"),)))
    for power in ("stopped", "absent"):
        ended = replace(shop(), vms=tuple(replace(vm, power=power) for vm in shop().vms))
        host.run(plan_for(host, ended, UP))
        assert plan_for(host, ended, UP).changes == ()


def test_ids_count_up_along_the_edges() -> None:
    makers: tuple[Callable[[], Plan], ...] = (
        lambda: plan_for(converged(shop()), shop(), Options(restart=True)),
        lambda: plan_for(converged(shop()), shop(), Options(recreate=True)),
        lambda: plan_for(converged(shop()), replace(shop(), vms=()), UP),
    )
    for make in makers:
        steps = make().steps
        assert [step.id for step in steps] == list(range(len(steps)))
        assert all(number < step.id for step in steps for number in step.before)
