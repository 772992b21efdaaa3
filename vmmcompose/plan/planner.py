"""The whole plan in order: who is meant, what each VM shall be, what is refused, what it takes."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from vmmcompose.model.actions import DeleteTap, SweepFile
from vmmcompose.model.capabilities import Capabilities
from vmmcompose.model.desired import Desired, DesiredVm
from vmmcompose.model.observed import Observed
from vmmcompose.model.options import Options
from vmmcompose.model.paths import tap_name
from vmmcompose.model.plan import Change, Plan, Reason
from vmmcompose.model.problem import Problem
from vmmcompose.model.record import NETWORKED, Record
from vmmcompose.model.settings import Settings
from vmmcompose.model.spec import VmSpec, host_name
from vmmcompose.network.addresses import vm_id
from vmmcompose.network.compare import network_differences
from vmmcompose.network.conflicts import network_problems
from vmmcompose.plan.checks import (
    check_disk,
    check_mounts,
    check_names,
    check_orphans,
    check_vm,
    explain_auto,
    find_image,
)
from vmmcompose.plan.costs import with_names
from vmmcompose.plan.endings import work_absent, work_amended, work_created, work_paused, work_stopped
from vmmcompose.plan.graph import weave
from vmmcompose.plan.hand import added_forwards, check_fresh, check_paused, without_adopted
from vmmcompose.plan.leaving import leaving, orphans, with_losses
from vmmcompose.plan.profiles import check_profiles
from vmmcompose.plan.protection import check_protected
from vmmcompose.plan.restoring import check_restore, restored_view, work_restored
from vmmcompose.plan.rolling import defer, turns
from vmmcompose.plan.specs import choose_specs
from vmmcompose.plan.strays import stray_disks, stray_processes, stray_taps
from vmmcompose.plan.view import Index, index
from vmmcompose.plan.vms import work_running
from vmmcompose.plan.volumechecks import check_volumes, volume_notes
from vmmcompose.plan.volumes import Volumes, plan_volumes
from vmmcompose.plan.work import VmWork


def make_plan(
    desired: Desired,
    observed: Observed,
    settings: Settings,
    capabilities: Mapping[str, Capabilities],
    options: Options,
) -> Plan:
    """What has to be done so that the host matches; pure.

    Problems of severity `error` in the result mean that nothing of it may be applied.
    """
    observed = without_adopted(observed, options)
    ours = {r.spec.vm: r for r in observed.records if r.spec.project == desired.project}
    chosen = frozenset(options.only)
    only = chosen if options.alone else close_over(desired, chosen)
    specs = choose_specs(desired, observed, settings, only, ours, register=options.register)
    look = index(with_names(observed, desired.project, specs.peers), desired, capabilities)
    works = _works(desired, specs.by_vm, look, settings, options, only, ours)
    meant = ("running", "stopped") if options.register else ("running",)
    up = [vm.name for vm in desired.vms if vm.power in meant and (not only or vm.name in only)]
    # A VM that is to stop, or that nobody asked about, is refused nothing.
    problems = [problem for vm in up for problem in specs.problems.get(vm, ())]
    running = [specs.by_vm[vm] for vm in up if vm in specs.by_vm]
    problems += check_names(running, observed, desired.project)
    for work in works:
        if work.start is not None or work.creates:
            spec = specs.by_vm[work.vm]
            view = look.view(spec.name, spec.id, spec.driver)
            view = restored_view(spec, view) if work.start is not None and work.start.snapshot else view
            replaced = work.change is not None and work.change.kind == "replace"
            problems += check_vm(spec, view, observed, capabilities, replaced=replaced)
        elif work.settled is not None and work.settled.state in ("running", "paused"):
            spec = work.settled.spec
            problems += check_disk(spec, look.view(spec.name, spec.id, spec.driver), "warning")
            problems += check_mounts(spec, observed) if work.mounts else []
    going = {
        host_name(desired.project, w.vm) for w in works if w.settled is None or w.settled.state == "stopped"
    }
    staying = tuple(record for record in observed.records if record.spec.name not in going)
    problems += network_problems(running, replace(observed, records=staying), settings)
    created = [specs.by_vm[w.vm] for w in works if w.change is not None and w.change.kind == "create"]
    problems += explain_auto(created, desired, settings, observed.host)
    problems += check_fresh(ours, options)
    if options.restore is not None:
        problems += [
            problem
            for vm in options.only
            if vm in specs.by_vm and vm in ours
            for problem in check_restore(specs.by_vm[vm], ours[vm], options.restore)
        ]
    problems += check_paused(desired, look, only)
    problems += added_forwards(running)
    problems += check_profiles(desired, up)
    if desired.project and not options.remove_orphans:
        problems += check_orphans(orphans(desired, ours))
    problems += check_protected(desired, works, ours)
    volumes = plan_volumes(desired, works, look, ours, options)
    problems += check_volumes(desired, works, volumes, look)
    problems += volume_notes(desired, works, volumes, look, ours)
    return _assemble(desired, observed, settings, options, works, volumes, problems)


def close_over(desired: Desired, only: frozenset[str]) -> frozenset[str]:
    """The chosen VMs with everything they depend on; empty stays empty, which means all."""
    vms = {vm.name: vm for vm in desired.vms}
    found: set[str] = set()
    queue = sorted(only)
    while queue:
        name = queue.pop()
        if name not in found and name in vms:
            found.add(name)
            if vms[name].power == "running":
                queue += [dependency.vm for dependency in vms[name].depends_on]
    return only.union(found)


def _works(
    desired: Desired,
    specs: Mapping[str, VmSpec],
    look: Index,
    settings: Settings,
    options: Options,
    only: frozenset[str],
    ours: Mapping[str, Record],
) -> list[VmWork]:
    works, chosen = [], frozenset(options.only)
    for vm in desired.vms:
        if only and vm.name not in only:
            continue
        record = ours.get(vm.name)
        mine = _options_of(vm, options, named=not chosen or vm.name in chosen)
        if vm.power == "running" and vm.name in specs:
            works.append(_running(specs[vm.name], record, look, settings, mine))
        elif vm.power == "paused" and record is not None:
            works.append(work_paused(record, look))
        elif vm.power == "stopped":
            works += _stopped(record, specs.get(vm.name) if options.register else None, look, mine)
        elif vm.power == "absent" and _may_delete(desired.project, vm.name, look):
            works.append(_absent(desired.project, vm.name, record, look, settings, mine, "asked for"))
    if desired.project:
        for name, why in leaving(desired, ours, options, everything=not only):
            work = _absent(desired.project, name, ours[name], look, settings, options, why)
            works.append(with_losses(work, desired, ours[name], look))
    return works


def _options_of(vm: DesiredVm, options: Options, *, named: bool) -> Options:
    """What was asked of the run, for one VM: those that are only depended on are not made anew."""
    own = vm.stop_grace_s if options.grace_s is None else options.grace_s
    if not named:
        return replace(options, recreate=False, rebuild=False, restart=False, restore=None, grace_s=own)
    return replace(options, grace_s=own)


def _running(
    spec: VmSpec, record: Record | None, look: Index, settings: Settings, options: Options
) -> VmWork:
    if options.restore is not None and record is not None:
        return work_restored(spec, record, options.restore, look, options)
    return work_running(spec, find_image(spec, look.observed), look, settings, options)


def _stopped(record: Record | None, spec: VmSpec | None, look: Index, options: Options) -> list[VmWork]:
    if record is None:
        return [work_created(spec)] if spec is not None else []
    if spec is None:
        return [work_stopped(record, look, options)]
    return [work_amended(record, spec, look, options)]


def _may_delete(project: str, vm: str, look: Index) -> bool:
    """Whether what has this VM's name on the host is not another project's (`a-b` + `c`, `a` + `b-c`) or tool's."""
    name = host_name(project, vm)
    record = look.records.get(name)
    foreign = any(bad.foreign and bad.name == name for bad in look.observed.unreadable)
    return not foreign and (record is None or record.spec.project == project)


def _absent(
    project: str, vm: str, record: Record | None, look: Index, settings: Settings, options: Options, why: str
) -> VmWork:
    if options.keep_disks and record is not None:
        return work_stopped(record, look, options)
    name = host_name(project, vm)
    identity = record.spec.id if record else vm_id(settings.data_dir, name)
    return work_absent(name, vm, identity, tap_name(identity), look, options, why)


def _assemble(
    desired: Desired,
    observed: Observed,
    settings: Settings,
    options: Options,
    works: list[VmWork],
    volumes: Volumes,
    problems: list[Problem],
) -> Plan:
    in_turn = turns({work.vm: work for work in works}, volumes.awaited(works))
    before = {record.spec.name: record for record in observed.records}
    defer(works, before, in_turn)
    touched = {work.intent.spec.name: work.intent for work in works if work.intent is not None}
    middle = {**before, **touched}
    final = dict(middle)
    for work in works:
        name = host_name(desired.project, work.vm)
        if work.settled is not None:
            final[name] = work.settled
        else:
            final.pop(name, None)
    needs_now = _differences(_active(middle.values()), observed, settings)
    first = bool(needs_now) and bool(_active(middle.values()))
    shrinks = len(_active(final.values())) < len(_active(middle.values())) or any(
        work.change is not None and work.change.kind == "delete" for work in works
    )
    last = shrinks or (bool(needs_now) and not first)
    changes = [work.change for work in works if work.change is not None]
    changes += [work.change for work in volumes.works]
    deleted = {host_name(desired.project, work.vm) for work in works if work.settled is None}
    # Whose network an unreadable record's VM is on, nobody can tell: it stays.
    unknown = any(not bad.foreign and bad.name not in deleted for bad in observed.unreadable)
    gone = not unknown and not _active(final.values())
    changes += _network_change(observed, settings, before, needs_now, gone=gone)
    if observed.leftovers:
        reasons = tuple(Reason(why=f"left by an interrupted command: {path}") for path in observed.leftovers)
        changes.append(Change("files", "delete", reasons))
    taps = stray_taps(observed, [*middle.values()], settings)
    if taps:
        changes.append(
            Change("taps", "delete", tuple(Reason(why=f"TAP {tap} belongs to no VM") for tap in taps))
        )
    stopping = [work.stop.vm_id for work in works if work.stop is not None]
    problems = [*problems, *stray_processes(observed, [*middle.values()], stopping)]
    problems += stray_disks(observed, desired, frozenset(middle))
    sweeps: list[SweepFile | DeleteTap] = [
        *(SweepFile(path) for path in observed.leftovers),
        *(DeleteTap(tap) for tap in taps),
    ]
    steps = weave(works, sweeps, options, in_turn, volumes, network_first=first, network_last=last)
    return Plan(desired.project, tuple(changes), steps, tuple(problems))


def _differences(records: tuple[Record, ...], observed: Observed, settings: Settings) -> tuple[Reason, ...]:
    if not observed.refreshed:
        return ()
    return network_differences(records, settings, observed.links, observed.rules, observed.host)


def _active(records: Iterable[Record]) -> tuple[Record, ...]:
    return tuple(record for record in records if record.state in NETWORKED)


def _network_change(
    observed: Observed,
    settings: Settings,
    before: Mapping[str, Record],
    needs_now: tuple[Reason, ...],
    *,
    gone: bool,
) -> list[Change]:
    bridge = observed.links is None or settings.bridge_name in observed.links
    drift = _differences(_active(before.values()), observed, settings)
    if gone:
        there = observed.links is not None and settings.bridge_name in observed.links
        why = "no VM needs it any more"
        return [Change("network", "delete", (Reason(why=why),))] if there or drift else []
    if drift and _active(before.values()):
        return [Change("network", "repair", drift)]
    if needs_now and not bridge:
        return [
            Change("network", "create", (Reason("bridge", "", f"{settings.bridge_name} {settings.subnet}"),))
        ]
    return []
