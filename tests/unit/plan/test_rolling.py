"""A changed VM with several replicas is never wholly away."""

from collections.abc import Iterator
from dataclasses import replace

from counting import grows_steadily
from hypothesis import given, settings
from hypothesis import strategies as st
from projects import converged, plan_for
from simulated_host import SimulatedHost

from vmmcompose.model.actions import StartVm, StopVm, WaitVm
from vmmcompose.model.desired import Dependency, Desired, DesiredVm
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Plan, Step

UP = Options(remove_orphans=True)
RESTART = Options(restart=True)


def replicas(count: int, name: str = "web", **fields: object) -> tuple[DesiredVm, ...]:
    return tuple(
        DesiredVm(f"{name}-{i}", "tiny", replica_of=name, replica=i, **fields)  # type: ignore[arg-type]
        for i in range(1, count + 1)
    )


def project(*vms: DesiredVm) -> Desired:
    return Desired("shop", tuple(sorted(vms, key=lambda vm: vm.name)))


def find(plan: Plan, vm: str, kind: type) -> Step:
    (step,) = (s for s in plan.steps if isinstance(s.action, kind) and s.address == f"vm/{vm}")
    return step


def before(plan: Plan, step: Step) -> set[int]:
    found: set[int] = set()
    queue = list(step.after)
    while queue:
        number = queue.pop()
        if number not in found:
            found.add(number)
            queue += plan.steps[number].after
    return found


def waits_for(plan: Plan, later: Step, earlier: Step) -> bool:
    return earlier.id in before(plan, later)


def test_replicas_are_restarted_one_after_another() -> None:
    old, new = project(*replicas(3)), project(*replicas(3, cpus=2))
    plan = plan_for(converged(old), new)
    for first, second in (("web-1", "web-2"), ("web-2", "web-3")):
        assert waits_for(plan, find(plan, second, StopVm), find(plan, first, WaitVm))


def test_as_many_at_once_as_the_manifest_allows() -> None:
    old, new = project(*replicas(4)), project(*replicas(4, cpus=2, max_unavailable=2))
    plan = plan_for(converged(old), new)
    assert not waits_for(plan, find(plan, "web-2", StopVm), find(plan, "web-1", StopVm))
    assert waits_for(plan, find(plan, "web-3", StopVm), find(plan, "web-1", WaitVm))
    assert waits_for(plan, find(plan, "web-4", StopVm), find(plan, "web-2", WaitVm))


def test_never_all_at_once_whatever_the_manifest_allows() -> None:
    old, new = project(*replicas(2)), project(*replicas(2, cpus=2, max_unavailable=5))
    plan = plan_for(converged(old), new)
    assert waits_for(plan, find(plan, "web-2", StopVm), find(plan, "web-1", WaitVm))


def test_who_is_away_comes_back_before_another_goes() -> None:
    host = converged(project(*replicas(3)))
    host.processes.pop(host.records["shop-web-3"].spec.id)
    plan = plan_for(host, project(*replicas(3, cpus=2)))
    assert waits_for(plan, find(plan, "web-1", StopVm), find(plan, "web-3", WaitVm))


def test_steps_name_as_many_others_as_before_however_many_replicas_go_and_change() -> None:
    def edges(count: int) -> int:
        old, new = project(*replicas(count)), project(*replicas(count // 2, cpus=2))
        plan = plan_for(
            converged(old), replace(new, replicas=(("web", count // 2),)), Options(remove_surplus=True)
        )
        return sum(len(step.before) for step in plan.steps)

    assert grows_steadily(edges, 20, 160)


def test_new_replicas_come_before_old_ones_go_and_surplus_ones_go_last() -> None:
    grown = plan_for(converged(project(*replicas(1))), project(*replicas(2, cpus=2)))
    assert waits_for(grown, find(grown, "web-1", StopVm), find(grown, "web-2", WaitVm))
    shrunk = plan_for(converged(project(*replicas(2))), project(*replicas(1, cpus=2)), UP)
    assert waits_for(shrunk, find(shrunk, "web-2", StopVm), find(shrunk, "web-1", WaitVm))


def test_turns_are_waited_for_even_with_no_wait() -> None:
    options = replace(RESTART, wait=False)
    plan = plan_for(converged(project(*replicas(2))), project(*replicas(2)), options)
    assert waits_for(plan, find(plan, "web-2", StopVm), find(plan, "web-1", WaitVm))


def test_a_single_replica_and_single_vms_just_restart() -> None:
    desired = project(*replicas(1), DesiredVm("a", "tiny"), DesiredVm("b", "tiny"))
    plan = plan_for(converged(desired), desired, RESTART)
    stops = [step for step in plan.steps if isinstance(step.action, StopVm)]
    assert len(stops) == 3
    starts = {step.id for step in plan.steps if isinstance(step.action, StartVm)}
    assert not any(before(plan, step) & starts for step in stops)


def test_replicas_that_depend_on_what_restarts_too_go_on_meanwhile() -> None:
    """Their own turns would come after it starts, and it would stop after theirs: a circle."""
    apps = replicas(2, "app", depends_on=(Dependency("db", "healthy"),))
    desired = project(DesiredVm("db", "tiny"), *apps)
    plan = plan_for(converged(desired), desired, RESTART)
    stop = find(plan, "db", StopVm)
    assert not any(waits_for(plan, stop, find(plan, f"app-{i}", StopVm)) for i in (1, 2))
    assert waits_for(plan, find(plan, "app-1", StopVm), find(plan, "db", WaitVm)), "it serves until then"


def test_replicas_that_swap_addresses_cannot_take_turns() -> None:
    first, second = replicas(2)
    old = project(replace(first, ip="172.16.0.8"), replace(second, ip="172.16.0.9"))
    new = project(replace(first, ip="172.16.0.9"), replace(second, ip="172.16.0.8"))
    plan = plan_for(converged(old), new)
    assert waits_for(plan, find(plan, "web-1", StartVm), find(plan, "web-2", StopVm))
    assert waits_for(plan, find(plan, "web-2", StartVm), find(plan, "web-1", StopVm))


def test_an_interruption_leaves_those_whose_turn_had_not_come_as_they_were() -> None:
    new = project(*replicas(3, cpus=2, labels=(("tier", "front"),)))
    host = converged(project(*replicas(3)))
    plan = plan_for(host, new)
    host.run(plan, stop_after=[s.id for s in plan.steps].index(find(plan, "web-2", StopVm).id))
    third = host.records["shop-web-3"]
    assert (third.state, third.health, third.spec.cpus) == ("running", "healthy", 1)
    assert third.spec.labels == (("tier", "front"),), "what needs no restart is applied at once"
    (change,) = (change for change in plan_for(host, new).changes if change.address == "vm/web-3")
    assert [(reason.field, reason.old, reason.new) for reason in change.reasons] == [("cpus", "1", "2")]


def in_any_order(plan: Plan, data: st.DataObject) -> Iterator[Step]:
    """The steps in some order that their edges allow, intents first."""
    done = {step.id for step in plan.steps if step.is_intent}
    yield from (step for step in plan.steps if step.id in done)
    left = {step.id: step for step in plan.steps if step.id not in done}
    while left:
        ready = [step for step in left.values() if step.after <= done]
        step = data.draw(st.sampled_from(ready))
        yield step
        done.add(step.id)
        del left[step.id]


def up(host: SimulatedHost, group: str) -> int:
    return sum(
        record.spec.replica_of == group and record.health == "healthy" and record.spec.id in host.processes
        for record in host.records.values()
    )


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 5), st.integers(1, 5), st.integers(1, 5), st.booleans(), st.data())
def test_in_any_order_of_steps_as_many_are_up_as_promised(
    had: int, wants: int, away: int, related: bool, data: st.DataObject
) -> None:
    apps = replicas(
        2, "app", depends_on=tuple(Dependency(f"web-{i}", "healthy") for i in range(1, wants + 1))
    )
    old_apps = tuple(replace(app, depends_on=()) for app in apps)
    others = (apps, old_apps) if related else ((), ())
    host = converged(project(*replicas(had), *others[1]))
    changed = tuple(replace(app, cpus=2) for app in others[0])
    plan = plan_for(host, project(*replicas(wants, cpus=2, max_unavailable=away), *changed), UP)
    least = max(1, min(had, wants - away))
    for step in in_any_order(plan, data):
        host.do(step.action)
        assert up(host, "web") >= least, step
        assert not related or up(host, "app") >= 1, step
    assert up(host, "web") == wants
