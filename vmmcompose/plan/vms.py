"""What one VM needs: a change for people and the actions that make it, in the order they must be done."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from vmmcompose.guest import files_digest
from vmmcompose.model.actions import (
    Action,
    CreateDisk,
    CreateTap,
    DeleteDisk,
    DeleteMount,
    GrowDisk,
    ResumeVm,
    StartVm,
    StopVm,
    UpdatePeers,
    WriteGuestFiles,
)
from vmmcompose.model.observed import Disk, Image
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Change, ChangeKind, Reason
from vmmcompose.model.record import Record, State
from vmmcompose.model.settings import Settings
from vmmcompose.model.spec import VmSpec
from vmmcompose.network.compare import tap_differences
from vmmcompose.plan.costs import Difference, diff_specs, worst
from vmmcompose.plan.mounts import (
    built_mounts,
    following_loss,
    live_mounts,
    live_reasons,
    mount_loss,
    mounts_after_start,
    restart_reasons,
)
from vmmcompose.plan.provisioning import left_reasons, scripts_left
from vmmcompose.plan.view import MIB, Index, VmView
from vmmcompose.plan.volumes import volume_loss
from vmmcompose.plan.work import VmWork, dead_reason, grace, summary, wait_for


@dataclass(frozen=True, slots=True)
class _Need:
    """Why a VM cannot stay as it is."""

    replaces: list[Reason]
    restarts: list[Reason]
    tap_wrong: bool


def work_running(
    spec: VmSpec, image: Image | None, index: Index, settings: Settings, options: Options
) -> VmWork:
    """What it takes until this VM runs as `spec` says."""
    view = index.view(spec.name, spec.id, spec.driver)
    record = view.record
    work = VmWork(
        spec.vm,
        f"vm/{spec.vm}",
        depends_on=spec.depends_on,
        replica_of=spec.replica_of,
        replica=spec.replica,
        most_away=spec.max_unavailable,
    )
    differences = diff_specs(record.spec, spec, sealed=record.sealed) if record else ()
    replaces = _replace_reasons(view, spec, image, differences, options)
    restarts = (
        []
        if view.record is None and not view.alive
        else _restart_reasons(view, spec, index, differences, options)
    )
    taps = tap_differences(spec, index.observed.links, settings) if index.observed.links is not None else ()
    runs_on = view.alive and not replaces and not restarts
    if runs_on:
        _keep_running(work, spec, index, differences, taps, options)
    else:
        _start(work, spec, image, index, _Need(replaces, restarts, bool(taps)), options)
    return work


def _keep_running(
    work: VmWork,
    spec: VmSpec,
    index: Index,
    differences: tuple[Difference, ...],
    taps: tuple[Reason, ...],
    options: Options,
) -> None:
    view = index.view(spec.name, spec.id, spec.driver)
    record = view.record
    assert record is not None
    peers_changed = record.spec.peers != spec.peers
    # The record keeps the old names until the guest has the new ones: an interrupted update stays visible.
    kept = replace(spec, peers=record.spec.peers, resolvers=record.spec.resolvers)
    if record.sealed:
        old = record.spec
        kept = replace(kept, env=old.env, files=old.files, provision=old.provision)
    another_check = record.spec.healthcheck != spec.healthcheck
    settled = replace(record, spec=kept, health="" if another_check else record.health)
    if settled != record:
        work.intent = settled
    work.settled = replace(settled, state="running")
    paused = record.state == "paused"
    if paused:
        work.early.append(ResumeVm(spec))
    if peers_changed:
        work.peers = UpdatePeers(spec)
    if taps:
        work.tap = CreateTap(spec)
    reasons = [reason for difference in differences for reason in difference.reasons] + list(taps)
    work.provision = scripts_left(spec, view, options, fresh=False)
    left = left_reasons(work.provision, reasons)
    left += live_reasons(spec, view, index, options, reasons)
    reasons += left
    work.mounts = live_mounts(spec, view, index, options)
    if options.wait and record.health == "unhealthy":
        work.wait = wait_for(spec, options)
        reasons.append(Reason(why="it did not answer when last waited for"))
    elif (work.provision and options.wait) or (not work.settled.health and (peers_changed or options.wait)):
        # Nobody has seen it answer yet: `up` was killed, told not to wait, or the check is another one; or a script
        # changes it. Waiting changes nothing, so it is a step without a change. Names are written over SSH, which
        # must be up.
        work.wait = wait_for(spec, options)
    if paused:
        reasons.append(Reason(why="it is paused"))
    if reasons:
        kind: ChangeKind = "update" if differences or left else "resume" if paused else "repair"
        work.change = Change(work.address, kind, tuple(reasons), following_loss(spec, view, index))


def _start(
    work: VmWork, spec: VmSpec, image: Image | None, index: Index, need: _Need, options: Options
) -> None:
    view = index.view(spec.name, spec.id, spec.driver)
    record = view.record
    old = record or Record(spec, "creating")
    state: State = "starting"
    # A living process stays in the record until it is stopped, so that a crash now forgets nobody.
    work.intent = replace(old, spec=spec, state=state, process=view.process, health="", sealed=False)
    work.settled = replace(work.intent, state="running")
    if record == work.intent:
        work.intent = None
    if view.process is not None:
        work.holds = old.spec.ip
        work.stop = StopVm(
            spec.name, spec.id, view.driver, view.process, grace(old.spec, options), "starting"
        )
    built = built_mounts(spec, index, options)
    work.early += built
    work.mounts = mounts_after_start(spec, built)
    work.before = _disk_actions(spec, image, view, replaced=bool(need.replaces)) + _old_mounts(spec, index)
    digest = files_digest(spec)
    fresh = any(isinstance(action, CreateDisk) for action in work.before)
    if fresh or view.disk is None or view.disk.info is None or view.disk.info.files_digest != digest:
        work.before.append(WriteGuestFiles(spec, digest))
    if need.tap_wrong or view.alive or not index.has_tap(spec.tap):
        work.tap = CreateTap(spec)
    work.start = StartVm(spec)
    work.provision = scripts_left(spec, view, options, fresh=fresh)
    if options.wait:
        work.wait = wait_for(spec, options)
    work.change = _start_change(work, spec, view, need)
    if work.change.kind != "create":  # its summary names them
        more = left_reasons(work.provision, work.change.reasons)
        if need.replaces and more:
            more = [Reason("provision", why="its scripts run on the new disk")]
        work.change = replace(work.change, reasons=(*work.change.reasons, *more))
    lost = (
        "" if options.rebuild else work.change.data_loss,  # the rule is the consent
        mount_loss(spec, index, options),
        following_loss(spec, view, index, built),
        volume_loss(spec, index),
    )
    work.change = replace(work.change, data_loss=", ".join(filter(None, lost)))


def _start_change(work: VmWork, spec: VmSpec, view: VmView, need: _Need) -> Change:
    loss = ""
    if view.record is None and view.disk is None and not view.alive:
        return Change(work.address, "create", summary(spec))
    if need.replaces:
        size = view.disk.size_bytes // MIB if view.disk else view.record.spec.disk_mib if view.record else 0
        loss = f"the root disk of VM `{spec.vm}` ({size} MiB)"
        return Change(work.address, "replace", tuple(need.replaces + need.restarts), loss)
    if view.alive:
        if view.disk is None:
            loss = f"what VM `{spec.vm}` wrote to its deleted root disk"
        return Change(work.address, "restart", tuple(need.restarts), loss)
    return Change(work.address, "start", (dead_reason(view), *need.restarts))


def _replace_reasons(
    view: VmView, spec: VmSpec, image: Image | None, differences: tuple[Difference, ...], options: Options
) -> list[Reason]:
    if view.disk is None:
        return []
    info = view.disk.info
    if info is None:
        reasons = [r for d in differences if d.cost == "replace" for r in d.reasons]
    else:  # the disk itself tells; the record may hold the intent of a command that never came to it
        reasons = [Reason("image", info.image, spec.image)] if info.image != spec.image else []
    if options.recreate or options.rebuild:
        renewed = image is not None and info is not None and info.image_digest != image.digest
        asked = "a rule of `watch` asks for it" if options.rebuild else "asked for with --recreate"
        why = "the image was built anew" if renewed else asked
        reasons.append(Reason(why=why))
    return reasons


def _restart_reasons(
    view: VmView, spec: VmSpec, index: Index, differences: tuple[Difference, ...], options: Options
) -> list[Reason]:
    reasons = []
    if worst(differences) in ("restart", "replace"):
        reasons += [r for d in differences if d.cost != "replace" and d.field != "peers" for r in d.reasons]
    elif not view.alive:
        reasons += [r for d in differences if d.field != "peers" for r in d.reasons]
    reasons += restart_reasons(spec, view, index, options, reasons)
    reasons += _volume_reasons(view, spec, index, reasons)
    if view.disk is None:
        reasons += [] if view.new else [Reason(why="its root disk is missing")]
    elif _too_small(view.disk, spec) and not any(r.field == "disk" for r in reasons):
        reasons.append(Reason("disk", f"{view.disk.size_bytes // MIB} MiB", f"{spec.disk_mib} MiB"))
    if view.alive:
        reasons += _alive_reasons(view, spec, index, options)
    if reasons:  # what could be renewed while it runs is renewed on the way
        reasons += live_reasons(spec, view, index, options, reasons)
    return reasons


def _volume_reasons(view: VmView, spec: VmSpec, index: Index, known: Iterable[Reason]) -> list[Reason]:
    if view.new:
        return []
    told = {reason.field for reason in known}
    found = (index.volume_reason(attachment.volume) for attachment in spec.volumes)
    return [reason for reason in found if reason is not None and reason.field not in told]


def _alive_reasons(view: VmView, spec: VmSpec, index: Index, options: Options) -> list[Reason]:
    reasons = []
    if view.record is None:
        reasons.append(Reason(why="it runs without a record; its disk is kept"))
    elif view.interrupted or view.stray:
        reasons.append(Reason(why="an earlier command was interrupted"))
    if not index.has_tap(spec.tap):
        reasons.append(Reason(why=f"its TAP {spec.tap} is missing"))
    if options.restart:
        reasons.append(Reason(why="asked for"))
    return reasons


def _disk_actions(spec: VmSpec, image: Image | None, view: VmView, *, replaced: bool) -> list[Action]:
    if view.disk is not None and not replaced:
        return [GrowDisk(spec.name, spec.disk_mib)] if _too_small(view.disk, spec) else []
    if image is None:
        return []  # a problem of its own, see checks
    create = CreateDisk(spec.name, spec.image, image.path, image.digest, spec.disk_mib)
    return [DeleteDisk(spec.name), create] if view.disk is not None else [create]


def _too_small(disk: Disk, spec: VmSpec) -> bool:
    """Whether a disk is to be grown; one that is damaged cannot be, and nobody is stopped for it."""
    return not disk.fault and disk.size_bytes < spec.disk_mib * MIB


def _old_mounts(spec: VmSpec, index: Index) -> list[Action]:
    tags = frozenset(mount.tag for mount in spec.mounts)
    return [DeleteMount(spec.name, tag) for tag in index.old_tags(spec.name, tags)]
