"""What it takes to stop a VM, or to leave nothing of it."""

from dataclasses import replace

from vmmcompose.model.options import Options
from vmmcompose.model.plan import Change, DeleteTap, DeleteVm, Reason, StopVm
from vmmcompose.model.record import Record
from vmmcompose.plan.view import Index
from vmmcompose.plan.work import VmWork, dead_reason


def work_stopped(record: Record, index: Index, options: Options) -> VmWork:
    """What it takes until this VM is stopped and holds nothing but its record and its disks."""
    spec = record.spec
    view = index.view(spec.name, spec.id, spec.driver)
    work = VmWork(spec.vm, f"vm/{spec.vm}", depends_on=spec.depends_on)
    work.settled = replace(record, state="stopped", process=None)
    tap = index.observed.links is not None and spec.tap in index.observed.links
    if view.process is not None:
        work.stop = StopVm(spec.name, spec.id, view.driver, view.process, options.grace_s)
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
    """What it takes until nothing of this VM is left."""
    view = index.view(name, vm_id, "")
    work = VmWork(vm, f"vm/{vm}")
    has_tap = index.observed.links is not None and tap in index.observed.links
    if view.record is None and view.process is None and not has_tap and name not in index.observed.folders:
        return work
    if view.record is not None:
        work.depends_on = view.record.spec.depends_on
        work.intent = replace(view.record, state="deleting", process=view.process)
        if work.intent == view.record:
            work.intent = None
    if view.process is not None:
        work.stop = StopVm(name, vm_id, view.driver, view.process, options.grace_s, "deleting")
    if has_tap:
        work.after.append(DeleteTap(tap))
    work.after.append(DeleteVm(name, vm_id))
    work.change = Change(work.address, "delete", (Reason(why=why),))
    return work
