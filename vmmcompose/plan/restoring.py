"""Going back to a memory snapshot: what stands in the way, and what it takes.

The guest's memory holds what the VM was: its devices, the paths of its disks, its address. So the snapshot must have
been made where and as the VM is now; what only the host does, forwards and the like, stays as it is.
"""

from dataclasses import replace

from vmmcompose.model.actions import (
    CreateTap,
    RestoreDisks,
    SetClock,
    StageDisks,
    StartVm,
    StopVm,
    UpdatePeers,
)
from vmmcompose.model.observed import Disk
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Change, Reason
from vmmcompose.model.problem import Problem
from vmmcompose.model.record import Record
from vmmcompose.model.snapshot import Restore
from vmmcompose.model.spec import VmSpec
from vmmcompose.plan.view import MIB, Index, VmView
from vmmcompose.plan.work import VmWork, wait_for

_IDENTITY = {
    "id": "id",
    "ip": "address",
    "prefix_len": "prefix length",
    "gateway": "gateway",
    "mac": "MAC",
    "tap": "TAP",
}


def work_restored(spec: VmSpec, record: Record, restore: Restore, index: Index, options: Options) -> VmWork:
    """What it takes until this VM goes on where the snapshot was made. The copies are made while it still runs."""
    snapshot = restore.snapshot
    view = index.view(spec.name, spec.id, spec.driver)
    old = snapshot.record.spec
    work = VmWork(spec.vm, f"vm/{spec.vm}", depends_on=spec.depends_on)
    # The guest has the old names until it is told others, as in a running one.
    kept = replace(spec, peers=old.peers, resolvers=old.resolvers)
    work.intent = replace(record, spec=kept, state="starting", process=view.process, health="", sealed=False)
    work.settled = replace(work.intent, state="running")
    work.early = [StageDisks(spec.name, snapshot)]
    if view.process is not None:
        work.holds = record.spec.ip
        # What the guest would write while it shuts down is thrown away.
        work.stop = StopVm(spec.name, spec.id, view.driver, view.process, 0.0, "starting")
    work.before = [RestoreDisks(spec.name, snapshot)]
    if view.alive or not index.has_tap(spec.tap):
        work.tap = CreateTap(spec)
    work.start = StartVm(kept, snapshot.name)
    if options.wait:
        work.wait = wait_for(spec, options)
        work.after = [SetClock(spec)]
        work.peers = UpdatePeers(spec) if old.peers != spec.peers else None
    loss = f"what VM `{spec.vm}` wrote to its disks since {snapshot.created}" if view.disk else ""
    why = Reason(why=f"back to snapshot {snapshot.name} of {snapshot.created}")
    work.change = Change(work.address, "restore", (why,), loss)
    return work


def restored_view(spec: VmSpec, view: VmView) -> VmView:
    """The VM as it will be: the snapshot brings its disk with it, whatever the present one is."""
    return replace(view, disk=Disk(spec.disk_mib * MIB))


def check_restore(spec: VmSpec, record: Record, restore: Restore) -> list[Problem]:
    """Why this VM cannot go back to that snapshot; everything at once."""
    snapshot = restore.snapshot
    old = snapshot.record.spec
    found = [
        f"its {words} was {getattr(old, field)} and is {getattr(spec, field)} now"
        for field, words in _IDENTITY.items()
        if getattr(old, field) != getattr(spec, field)
    ]
    if snapshot.root != restore.root:
        found.append(f"its disks lay below {snapshot.root} and lie below {restore.root} now")
    if snapshot.cpu != restore.cpu:
        found.append(f"it was made on another CPU: {snapshot.cpu}, and this host has {restore.cpu}")
    mounts = [sorted((m.tag, m.target, m.mode) for m in one.mounts) for one in (old, record.spec)]
    if mounts[0] != mounts[1]:
        had, has = (", ".join(":".join(filter(None, parts)) for parts in one) or "none" for one in mounts)
        found.append(f"its mounts were {had} and are {has} now")
    if old.volumes or record.spec.volumes:
        found.append("it has volumes, which go on while a snapshot stands still")
    if restore.fault:
        found.append(restore.fault)
    hint = "memory goes on only where and as it was kept; `vmm snapshot list` shows what else there is"
    return [
        Problem(
            "cannot-restore",
            f"VM `{spec.vm}` cannot go back to snapshot {snapshot.name}: {words}",
            ("vms", spec.vm),
            hint,
        )
        for words in found
    ]
