"""Volumes in a plan: which are made, grown or deleted, and which running VMs have them open."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from vmmcompose.model.actions import CreateVolume, DeleteVolume, GrowVolume, StartVm
from vmmcompose.model.desired import Attachment, Desired
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Change, Reason
from vmmcompose.model.record import Record
from vmmcompose.model.spec import VmSpec
from vmmcompose.plan.view import MIB, Index
from vmmcompose.plan.work import VmWork


@dataclass(frozen=True, slots=True)
class Hold:
    """What a running VM has open."""

    vm: str
    group: str
    """The VM with replicas it is one of. They never hand volumes to each other."""
    attached: tuple[Attachment, ...]
    unknown: bool
    """Whether it may have others open as well: its record was rewritten and the VM not stopped since."""

    def bars(self, spec: VmSpec, attachment: Attachment) -> bool:
        """Whether another VM cannot have this volume meanwhile: one that is written to is one VM's alone."""
        if self.vm == spec.vm:
            return False
        if self.unknown and not (self.group and self.group == spec.replica_of):
            return True
        return any(
            own.volume == attachment.volume and "rw" in (own.mode, attachment.mode) for own in self.attached
        )


@dataclass(frozen=True, slots=True)
class Holds:
    """All of a project's, with look-ups, so that planning n VMs takes n steps."""

    by_vm: Mapping[str, Hold] = field(default_factory=dict)
    by_volume: Mapping[str, Sequence[Hold]] = field(default_factory=dict)
    writers: Mapping[str, Sequence[Hold]] = field(default_factory=dict)
    """Those of them that write to it. Of many that only read, none is in another's way."""
    unknown: tuple[Hold, ...] = ()

    def of(self, volume: str) -> tuple[Hold, ...]:
        """Those that have it open, or may have."""
        return (*self.by_volume.get(volume, ()), *self.unknown)

    def barring(self, spec: VmSpec) -> list[str]:
        """VMs that have to stop before this one can start."""
        return [
            hold.vm
            for attachment in spec.volumes
            for hold in (*self._meeting(attachment), *self.unknown)
            if hold.bars(spec, attachment)
        ]

    def _meeting(self, attachment: Attachment) -> Sequence[Hold]:
        return (self.writers if attachment.mode == "ro" else self.by_volume).get(attachment.volume, ())


@dataclass(frozen=True, slots=True)
class VolumeWork:
    """One volume's part of a plan."""

    name: str
    action: CreateVolume | GrowVolume | DeleteVolume
    change: Change
    users: tuple[str, ...] = ()
    """VMs that have to stop, or to go, before it is touched."""


@dataclass(frozen=True, slots=True)
class Volumes:
    """All volumes' part of a plan."""

    works: tuple[VolumeWork, ...] = ()
    grown: Mapping[str, VolumeWork] = field(default_factory=dict)
    """Those of the works that make a volume bigger, by its name."""
    holds: Holds = field(default_factory=Holds)

    @property
    def making(self) -> tuple[VolumeWork, ...]:
        """Those that are made."""
        return tuple(work for work in self.works if isinstance(work.action, CreateVolume))

    @property
    def deleting(self) -> tuple[VolumeWork, ...]:
        """Those that are deleted."""
        return tuple(work for work in self.works if isinstance(work.action, DeleteVolume))

    def growing(self, start: StartVm, done: Container[str]) -> list[VolumeWork]:
        """Those that grow before a VM starts, unless that was `done` for another."""
        return [
            self.grown[one.volume]
            for one in start.spec.volumes
            if one.volume in self.grown and one.volume not in done
        ]

    def awaited(self, works: Iterable[VmWork]) -> frozenset[str]:
        """VMs whose stop others wait for before they can start."""
        found = {vm for work in works if work.start is not None for vm in self.holds.barring(work.start.spec)}
        return frozenset(
            found | {vm for work in self.grown.values() if len(work.users) > 1 for vm in work.users}
        )


def find_holds(ours: Mapping[str, Record], works: Iterable[VmWork], look: Index) -> Holds:
    """Who has which volume open now. `ours` are the project's records by short name."""
    found: dict[str, Hold] = {}
    for vm, record in ours.items():
        spec = record.spec
        view = look.view(spec.name, spec.id, spec.driver)
        if view.alive:
            found[vm] = Hold(vm, spec.replica_of, spec.volumes, view.interrupted or view.stray)
    for work in works:
        if work.stop is not None and work.vm not in found:
            found[work.vm] = Hold(work.vm, "", (), unknown=True)
    by_volume: dict[str, list[Hold]] = {}
    writers: dict[str, list[Hold]] = {}
    for hold in found.values():
        for attachment in hold.attached:
            by_volume.setdefault(attachment.volume, []).append(hold)
            if attachment.mode == "rw":
                writers.setdefault(attachment.volume, []).append(hold)
    return Holds(found, by_volume, writers, tuple(hold for hold in found.values() if hold.unknown))


def plan_volumes(
    desired: Desired, works: Sequence[VmWork], look: Index, ours: Mapping[str, Record], options: Options
) -> Volumes:
    """Who has which volume open, and what has to be done to them.

    They are made and grown for VMs that start, and deleted where that was asked for.
    """
    holds = find_holds(ours, works, look)
    found = tuple(_works(desired, works, look, holds, ours, options))
    grown = {work.name: work for work in found if isinstance(work.action, GrowVolume)}
    return Volumes(found, grown, holds)


def _works(
    desired: Desired,
    works: Iterable[VmWork],
    look: Index,
    holds: Holds,
    ours: Mapping[str, Record],
    options: Options,
) -> list[VolumeWork]:
    starting = {one.volume for work in works if work.start is not None for one in work.start.spec.volumes}
    recorded: dict[str, list[str]] = {}
    for vm, record in ours.items():
        for attachment in record.spec.volumes:
            recorded.setdefault(attachment.volume, []).append(vm)
    found = []
    for name in sorted(starting):
        seen, size = look.observed.volumes.get(name), look.volume_sizes.get(name, 0)
        if seen is None and size:
            had = [vm for vm in recorded.get(name, ()) if ours[vm].started]
            reasons = [Reason("size", "", f"{size} MiB")]
            reasons += [Reason(why=f"its file is missing; VM `{vm}` had it") for vm in sorted(had)[:1]]
            change = Change(f"volume/{name}", "create", tuple(reasons))
            found.append(VolumeWork(name, CreateVolume(desired.project, name, size), change))
        elif seen is not None and not seen.fault and seen.size_bytes < size * MIB:
            grown = Reason("size", f"{seen.size_bytes // MIB} MiB", f"{size} MiB")
            change = Change(f"volume/{name}", "update", (grown,))
            users = tuple(hold.vm for hold in holds.of(name))
            found.append(VolumeWork(name, GrowVolume(desired.project, name, size), change, users))
    for name, image in sorted(look.observed.volumes.items()):
        if name in options.volumes or (options.delete_volumes and not options.volumes):
            loss = f"all that is in volume `{name}` ({image.size_bytes // MIB} MiB)"
            reasons = [Reason(why="asked for")]
            if options.volumes:
                reasons += [Reason(why=f"VM `{vm}` has it") for vm in sorted(recorded.get(name, ()))]
            change = Change(f"volume/{name}", "delete", tuple(reasons), loss)
            users = (*recorded.get(name, ()), *(hold.vm for hold in holds.of(name)))
            found.append(VolumeWork(name, DeleteVolume(desired.project, name), change, users))
    return found


def volume_loss(spec: VmSpec, look: Index) -> str:
    """What goes when a running VM stops whose volume's file was deleted under it; empty where nothing does."""
    view = look.view(spec.name, spec.id, spec.driver)
    if not view.alive or view.record is None:
        return ""
    gone = [one.volume for one in view.record.spec.volumes if one.mode == "rw"]
    lost = [name for name in gone if name not in look.observed.volumes]
    return ", ".join(f"what VM `{spec.vm}` wrote to its deleted volume {name}" for name in lost)
