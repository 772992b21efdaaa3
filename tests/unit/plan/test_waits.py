"""Who is waited for: a VM that nobody has seen answer, and nobody else."""

from dataclasses import replace

from projects import converged, plan_for, shop

from vmmcompose.model.actions import WaitVm
from vmmcompose.model.options import Options


def waited_for(options: Options, health: str) -> list[str]:
    host = converged(shop())
    record = host.records["shop-web"]
    host.records["shop-web"] = replace(record, health=health)
    plan = plan_for(host, shop(), options)
    assert all(isinstance(step.action, WaitVm) for step in plan.steps)
    return [step.address for step in plan.steps]


def test_a_vm_that_answered_is_not_waited_for_again() -> None:
    assert waited_for(Options(), "healthy") == []


def test_a_vm_that_nobody_saw_answer_is_waited_for_without_a_change() -> None:
    """As after `up --no-wait`, or an `up` that was killed while it waited."""
    host = converged(shop())
    host.records["shop-web"] = replace(host.records["shop-web"], health="")
    plan = plan_for(host, shop())
    assert plan.changes == ()
    assert [step.address for step in plan.steps] == ["vm/web"]
    assert waited_for(Options(wait=False), "") == []


def test_a_vm_that_did_not_answer_is_a_change_until_it_does() -> None:
    assert waited_for(Options(), "unhealthy") == ["vm/web"]
    assert waited_for(Options(wait=False), "unhealthy") == []
