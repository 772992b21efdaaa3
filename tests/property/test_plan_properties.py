"""What holds for every project, every host and every interruption."""

import json
from dataclasses import replace
from pathlib import Path
from random import Random

from histories import FOREIGN, NAMES, REPLICAS, UP, fitting, hosts, projects
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from projects import plan_for
from simulated_host import SimulatedHost

from vmmcompose.guest.scripts import script_digest
from vmmcompose.model.actions import Action, BuildMount, DeleteMount, RunProvision, StartVm, SyncMount, WaitVm
from vmmcompose.model.desired import (
    Condition,
    Desired,
    DesiredVm,
)
from vmmcompose.model.plan import Plan, Step
from vmmcompose.model.publicplan import plan_from_json, plan_to_json, publish

PLAN_SCHEMA = Draft202012Validator(
    json.loads((Path(__file__).parents[2] / "schemas" / "plan.schema.json").read_text(encoding="utf-8"))
)


def all_volumes(host: SimulatedHost) -> dict[tuple[str, str], int]:
    return {key: image.size_bytes for key, image in host.volumes.items()}


def applicable(plan: Plan) -> bool:
    return not [problem for problem in plan.problems if problem.severity == "error"]


@settings(max_examples=300, deadline=None)
@given(hosts(), projects(), st.randoms())
def test_after_apply_nothing_is_left_to_do(host: SimulatedHost, desired: Desired, random: Random) -> None:
    """Whatever runs side by side, as far as the plan's edges let it."""
    desired = fitting(desired, host)
    plan = plan_for(host, desired, UP)
    assert applicable(plan), plan.problems
    host.run(plan, random=random)
    assert plan_for(host, desired, UP).changes == ()
    assert all(record.state in ("running", "stopped") for record in host.records.values())
    for vm in desired.vms:
        info = host.disks[f"lab-{vm.name}"].info if vm.power == "running" else None
        if info is not None:
            assert {script_digest(script.content) for script in vm.provision} <= set(info.provisioned)
    for name, link in FOREIGN.items():
        assert host.links[name] == link


@settings(max_examples=300, deadline=None)
@given(hosts(), projects(), st.data())
def test_an_interrupted_run_is_finished_by_the_next(
    host: SimulatedHost, desired: Desired, data: st.DataObject
) -> None:
    desired = fitting(desired, host)
    plan, random = plan_for(host, desired, UP), data.draw(st.randoms())
    host.run(plan, stop_after=data.draw(st.integers(0, len(plan.steps))), random=random)
    host.run(plan_for(host, desired, UP), random=random)
    assert plan_for(host, desired, UP).changes == ()


@settings(max_examples=300, deadline=None)
@given(hosts(), projects(), st.data())
def test_what_failed_is_finished_by_the_next_run(
    host: SimulatedHost, desired: Desired, data: st.DataObject
) -> None:
    desired = fitting(desired, host)
    plan = plan_for(host, desired, UP)
    can_fail = [step.id for step in plan.steps if not step.is_intent]
    fails = data.draw(st.sets(st.sampled_from(can_fail), max_size=3)) if can_fail else set()
    done = host.run(plan, fails=fails)
    for step in plan.steps:
        assert (step.id in done) == (step.id not in fails and step.after <= done)
    host.run(plan_for(host, desired, UP))
    assert plan_for(host, desired, UP).changes == ()


@settings(max_examples=300, deadline=None)
@given(hosts(), projects())
def test_nobody_starts_before_its_dependencies_are_what_they_shall_be(
    host: SimulatedHost, desired: Desired
) -> None:
    desired = fitting(desired, host)
    plan = plan_for(host, desired, UP)
    steps: dict[str, list[Step]] = {vm.name: [] for vm in desired.vms}
    for step in plan.steps:
        steps.get(step.address.removeprefix("vm/"), []).append(step)
    for vm in desired.vms:
        for start in [step for step in steps[vm.name] if isinstance(step.action, StartVm)]:
            for need in vm.depends_on:
                found = [step.id for step in steps[need.vm] if _makes(step.action, need.condition)]
                if found:  # else the condition holds already, or the other one shall not run
                    assert found[-1] in (start.after if need.required else start.before)


def _makes(action: Action, condition: Condition) -> bool:
    """Whether an action is one after which the condition may hold."""
    match condition:
        case "started":
            return isinstance(action, StartVm)
        case "provisioned":
            return isinstance(action, RunProvision)
        case "healthy":
            return isinstance(action, WaitVm) and action.until == "ready"


@settings(max_examples=300, deadline=None)
@given(hosts(), projects())
def test_down_leaves_nothing_of_the_project(host: SimulatedHost, desired: Desired) -> None:
    """After any history; what was never recorded and is not named any more cannot be known to be ours."""
    named = {vm.name for vm in desired.vms} | {*NAMES, *REPLICAS}
    gone = Desired("lab", tuple(DesiredVm(name, "tiny", power="absent") for name in sorted(named)))
    host.run(plan_for(host, gone, UP))
    assert host.records == {}
    assert host.processes == {}
    assert host.links == FOREIGN
    assert host.rules.chains == ()
    assert host.disks == {}
    assert host.mounts == {}
    assert host.leftovers == set()
    assert plan_for(host, gone, UP).changes == ()


@settings(max_examples=300, deadline=None)
@given(hosts(), projects(), st.data())
def test_volumes_stay_until_their_own_end_is_asked_for(
    host: SimulatedHost, desired: Desired, data: st.DataObject
) -> None:
    before = all_volumes(host)
    desired = fitting(desired, host)
    options = replace(UP, recreate=data.draw(st.booleans()))
    host.run(plan_for(host, desired, options))
    after = all_volumes(host)
    assert before.keys() <= after.keys()
    assert all(after[key] >= size for key, size in before.items())
    gone = Desired("lab", tuple(DesiredVm(name, "tiny", power="absent") for name in NAMES))
    host.run(plan_for(host, gone, UP))
    assert all_volumes(host) == after
    plan = plan_for(host, gone, replace(UP, delete_volumes=True))
    assert all(change.data_loss for change in plan.changes if change.address.startswith("volume/"))
    host.run(plan, stop_after=data.draw(st.integers(0, len(plan.steps))))
    host.run(plan_for(host, gone, replace(UP, delete_volumes=True)))
    assert host.volumes == {}


@settings(max_examples=100, deadline=None)
@given(hosts(), projects(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_is_irrelevant(host: SimulatedHost, desired: Desired, random: object) -> None:
    shuffled = list(desired.vms)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    plan = plan_for(host, desired, UP)
    mixed = plan_for(host, replace(desired, vms=tuple(sorted(shuffled, key=lambda vm: vm.name))), UP)
    assert plan == mixed


@settings(max_examples=200, deadline=None)
@given(hosts(), projects())
def test_a_rw_image_or_a_disk_only_goes_with_a_word_about_it(host: SimulatedHost, desired: Desired) -> None:
    desired = fitting(desired, host)
    before = set(host.disks)
    plan = plan_for(host, desired, UP)
    warned = any(change.data_loss or change.kind == "delete" for change in plan.changes)
    host.run(plan)
    assert before <= set(host.disks) or warned


@settings(max_examples=200, deadline=None)
@given(hosts(), projects(), st.booleans())
def test_what_a_guest_wrote_to_a_mount_never_goes_silently(
    host: SimulatedHost, desired: Desired, restart: bool
) -> None:
    """Nor is it taken away while another folder, mode, `sync`, `ignore` or `owner` is applied."""
    desired = fitting(desired, host)
    images = dict(host.mounts)
    left_alone = {
        (record.spec.name, mount.tag)
        for record in host.records.values()
        for mount in record.spec.mounts
        if mount.sync == "none"
    }
    plan = plan_for(host, desired, replace(UP, restart=restart))
    losses = {change.address: (change.kind, change.data_loss) for change in plan.changes}
    for step in plan.steps:
        match step.action:
            case BuildMount(name, mount):
                key = (name, mount.tag)
            case DeleteMount(name, tag):
                key = (name, tag)
            case SyncMount(spec, mount) if mount.sync == "push" and (spec.name, mount.tag) in left_alone:
                assert f"in mount {mount.tag}" in losses[step.address][1]
                continue
            case _:
                continue
        if key in images and images[key].mode == "rw":
            kind, loss = losses[step.address]
            assert kind == "delete" or f"to mount {key[1]}" in loss


@settings(max_examples=100, deadline=None)
@given(hosts(), projects())
def test_its_json_keeps_to_the_schema_comes_back_and_holds_no_secret(
    host: SimulatedHost, desired: Desired
) -> None:
    secret = tuple(replace(vm, env=(("KEY", "swordfish"),)) for vm in desired.vms)
    public = publish(plan_for(host, fitting(replace(desired, vms=secret), host), UP))
    text = json.dumps(plan_to_json(public))
    PLAN_SCHEMA.validate(json.loads(text))
    assert plan_from_json(json.loads(text)) == public
    assert "swordfish" not in text
