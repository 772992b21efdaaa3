"""What it takes until a VM is registered, stopped, paused, or until nothing of it is left."""

from dataclasses import replace

from vmmcompose.model.actions import BuildMount, DeleteTap, DeleteVm, PauseVm, StopVm
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Change, ChangeKind, Reason
from vmmcompose.model.record import Record
from vmmcompose.model.spec import VmSpec
from vmmcompose.plan.costs import diff_specs
from vmmcompose.plan.mounts import mount_loss, rebuild_reason
from vmmcompose.plan.view import Index
from vmmcompose.plan.work import VmWork, dead_reason, grace, summary


def work_created(spec: VmSpec) -> VmWork:
    """A record and an address for a VM that is to stay stopped; nothing else is allocated."""
    record = Record(spec, "stopped")
    change = Change(f"vm/{spec.vm}", "create", summary(spec))
    return VmWork(spec.vm, change.address, change=change, intent=record, settled=record, creates=True)


def work_amended(record: Record, spec: VmSpec, index: Index, options: Options) -> VmWork:
    """What is new of a VM that stays stopped goes into its record; mounts that are asked for are built."""
    work = work_stopped(record, index, options)
    assert work.settled is not None
    differences = diff_specs(record.spec, spec, sealed=record.sealed)
    rebuilt = [mount for mount in spec.mounts if mount.tag in options.rebuild_mounts]
    reasons = [reason for difference in differences for reason in difference.reasons]
    reasons += [Reason(f"mounts.{mount.tag}", why=rebuild_reason(mount, options)) for mount in rebuilt]
    if not reasons:
        return work
    work.settled = replace(work.settled, spec=spec)
    work.intent = replace(work.intent or record, spec=spec)
    work.before += [BuildMount(spec.name, mount) for mount in rebuilt]
    old = work.change or Change(work.address, "update")
    work.change = replace(old, reasons=(*old.reasons, *reasons), data_loss=mount_loss(spec, index, options))
    return work


def work_paused(record: Record, index: Index) -> VmWork:
    """What it takes until this VM's CPUs stand still. One that does not run is a problem, see `checks`."""
    spec = record.spec
    work = VmWork(spec.vm, f"vm/{spec.vm}", depends_on=spec.depends_on, settled=record)
    if record.state == "running" and index.view(spec.name, spec.id, spec.driver).alive:
        work.intent = work.settled = replace(record, state="paused")
        work.after.append(PauseVm(spec))
        work.change = Change(work.address, "pause", (Reason("power", "running", "paused"),))
    return work


def work_stopped(record: Record, index: Index, options: Options) -> VmWork:
    """What it takes until this VM is stopped and holds nothing but its record and its disks."""
    spec = record.spec
    view = index.view(spec.name, spec.id, spec.driver)
    work = VmWork(spec.vm, f"vm/{spec.vm}", depends_on=spec.depends_on)
    work.settled = replace(record, state="stopped", process=None)
    tap = index.has_our_tap(spec.tap)
    if view.process is not None:
        work.holds = spec.ip
        work.stop = StopVm(spec.name, spec.id, view.driver, view.process, grace(spec, options))
        work.intent = replace(record, state="stopping", process=view.process)
        work.change = Change(work.address, "stop", (Reason("power", "running", "stopped"),))
    elif record.state != "stopped":
        work.intent = work.settled
        work.change = Change(work.address, "stop", (dead_reason(view),))
    elif tap:
        work.change = Change(work.address, "repair", (Reason(why=f"its TAP {spec.tap} is left over"),))
    if tap:
        work.after.append(DeleteTap(spec.tap))
    if work.intent == record:
        work.intent = None
    return work


def work_absent(name: str, vm: str, vm_id: str, tap: str, index: Index, options: Options, why: str) -> VmWork:
    """What it takes until nothing of this VM is left, or with `keep_disks` nothing but its folders.

    The caller has made sure that what has this name on the host is this project's.
    """
    view = index.view(name, vm_id, "")
    work = VmWork(vm, f"vm/{vm}")
    has_tap = index.has_our_tap(tap)
    found = view.process is not None or has_tap
    if not options.keep_disks:
        found = found or view.record is not None or name in index.observed.folders
    if not found:
        return work
    if view.record is not None:
        work.holds = view.record.spec.ip
        work.depends_on = view.record.spec.depends_on
        work.replica_of, work.replica = view.record.spec.replica_of, view.record.spec.replica
        work.intent = replace(view.record, state="deleting", process=view.process)
        if work.intent == view.record:
            work.intent = None
    if view.process is not None:
        own = view.record.spec if view.record is not None else None
        work.stop = StopVm(name, vm_id, view.driver, view.process, grace(own, options), "deleting")
    if has_tap:
        work.after.append(DeleteTap(tap))
    if not options.keep_disks:
        work.after.append(DeleteVm(name, vm_id))
    kind: ChangeKind = "stop" if options.keep_disks else "delete"
    work.change = Change(work.address, kind, (Reason(why=why),))
    return work
