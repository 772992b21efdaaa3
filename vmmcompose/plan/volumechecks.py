"""What of volumes is refused before anything is touched, and what about them is worth a note."""

from collections.abc import Iterable, Mapping, Sequence

from vmmcompose.model.desired import Desired
from vmmcompose.model.problem import Problem
from vmmcompose.model.record import Record
from vmmcompose.model.spec import VmSpec
from vmmcompose.plan.view import MIB, Index
from vmmcompose.plan.volumes import Holds, Volumes
from vmmcompose.plan.work import VmWork


def check_volumes(desired: Desired, works: Sequence[VmWork], volumes: Volumes, look: Index) -> list[Problem]:
    """Everything about volumes that cannot be done, at once."""
    running = [
        work.settled.spec for work in works if work.settled and work.settled.state in ("running", "paused")
    ]
    starting = [work.start.spec for work in works if work.start is not None]
    return [
        *_sizes(running, starting, look),
        *_faults(running, starting, look),
        *_shared(desired, works, running, starting, volumes.holds),
        *_touched(works, volumes),
    ]


def _sizes(running: Iterable[VmSpec], starting: Iterable[VmSpec], look: Index) -> list[Problem]:
    problems = []
    for name in sorted({one.volume for spec in running for one in spec.volumes}):
        seen, size = look.observed.volumes.get(name), look.volume_sizes.get(name, 0)
        if seen is not None and size and seen.size_bytes > size * MIB:
            has = seen.size_bytes // MIB
            problems.append(
                Problem(
                    "volume-shrinks",
                    f"volume `{name}` has {has} MiB and cannot shrink to {size} MiB",
                    ("volumes", name, "size"),
                    f"say `size: {has}MiB` or more, or begin anew, which loses what is in it:"
                    f" `vmm volume delete {name}`",
                )
            )
    missing = {
        one.volume: spec
        for spec in starting
        for one in spec.volumes
        if one.volume not in look.observed.volumes and not look.volume_sizes.get(one.volume)
    }
    problems += [
        Problem(
            "no-volume",
            f"VM `{spec.vm}`: the file of volume `{name}` is gone, and only the manifest knows how big it was",
            ("vms", spec.vm, "volumes"),
            "put it back, or run `vmm up` with the manifest, which makes an empty one",
        )
        for name, spec in sorted(missing.items())
    ]
    return problems


def _faults(running: Iterable[VmSpec], starting: Iterable[VmSpec], look: Index) -> list[Problem]:
    """What no VM can start with stands in the way of a start; of a VM that runs on with it is only told."""
    new = {one.volume for spec in starting for one in spec.volumes}
    used = new | {one.volume for spec in running for one in spec.volumes}
    return [
        Problem(
            "volume-damaged",
            f"volume `{name}` cannot be used: {look.observed.volumes[name].fault}",
            ("volumes", name),
            f"put a copy of it back, or begin anew, which loses what is in it: `vmm volume delete {name}`",
            severity="error" if name in new else "warning",
        )
        for name in sorted(used & look.observed.volumes.keys())
        if look.observed.volumes[name].fault
    ]


def _shared(
    desired: Desired,
    works: Iterable[VmWork],
    running: Iterable[VmSpec],
    starting: Iterable[VmSpec],
    holds: Holds,
) -> list[Problem]:
    """A volume that a VM writes to is that VM's alone, as long as it runs."""
    planned = {work.vm for work in works}
    new = {spec.vm for spec in starting}
    users: dict[str, dict[str, str]] = {}
    left = [hold for hold in holds.by_vm.values() if hold.vm not in planned]
    for vm, attached in [
        *((spec.vm, spec.volumes) for spec in running),
        *((hold.vm, hold.attached) for hold in left),
    ]:
        for one in attached:
            users.setdefault(one.volume, {})[vm] = one.mode
    problems = []
    for name, modes in sorted(users.items()):
        writer = min((vm for vm, mode in modes.items() if mode == "rw"), default="")
        if not writer or len(modes) == 1 or not new & modes.keys():
            continue
        comes = writer if writer in new else min(new & modes.keys())
        other = writer if writer != comes else min(modes.keys() - {comes})
        problems.append(
            Problem(
                "volume-in-use",
                f"VM `{comes}` cannot have volume `{name}` while VM `{other}` has it: one of them writes to it",
                ("vms", comes, "volumes"),
                _way_out(desired, "" if other in planned else other),
            )
        )
    unknown = [hold for hold in left if hold.unknown]
    problems += [
        Problem(
            "volume-in-use",
            f"VM `{spec.vm}`: a change of VM `{hold.vm}` was interrupted, and it may still have volume"
            f" `{one.volume}`",
            ("vms", spec.vm, "volumes"),
            f"`vmm up {hold.vm}` ends that change",
        )
        for spec in starting
        for one in spec.volumes[:1]
        for hold in unknown
        if hold.bars(spec, one)
    ]
    return problems


def _way_out(desired: Desired, apart: str) -> str:
    """`apart` is a VM that runs on and that the plan leaves alone."""
    if not apart:
        return "give each VM a volume of its own, or attach it `ro` to all of them"
    named = {vm.name for vm in desired.vms}
    return (
        f"`vmm stop {apart}` first" if apart in named else f"`vmm delete --force {apart}`, or stop it first"
    )


def _touched(works: Iterable[VmWork], volumes: Volumes) -> list[Problem]:
    """Neither grown nor deleted under a VM that runs on."""
    stopping = {work.vm for work in works if work.stop is not None}
    problems = []
    for volume in volumes.works:
        alive = [vm for vm in volume.users if vm in volumes.holds.by_vm and vm not in stopping]
        if alive:
            deed = "grow" if volume.change.kind == "update" else "be deleted"
            problems.append(
                Problem(
                    "volume-in-use",
                    f"volume `{volume.name}` cannot {deed} while VM `{min(alive)}` runs",
                    ("volumes", volume.name),
                    f"`vmm stop {min(alive)}` first",
                )
            )
    return problems


def volume_notes(
    desired: Desired, works: Iterable[VmWork], volumes: Volumes, look: Index, ours: Mapping[str, Record]
) -> list[Problem]:
    """Which volumes of the project stay on the host without a VM that is to have them."""
    going = {volume.name for volume in volumes.works if volume.change.kind == "delete"}
    vms = [vm for vm in (*desired.vms, *desired.inactive) if vm.power != "absent"]
    known = {vm.name for vm in desired.vms} | {work.vm for work in works if work.settled is None}
    wanted = {one.volume for vm in vms for one in vm.volumes}
    # Those that the manifest does not name and that stay on the host.
    wanted |= {one.volume for vm, record in ours.items() if vm not in known for one in record.spec.volumes}
    idle = sorted(look.observed.volumes.keys() - wanted - going)
    if idle and not vms:
        names = ", ".join(f"`{name}`" for name in idle)
        one = len(idle) == 1
        noun, verb, it = ("volume", "stays", "it") if one else ("volumes", "stay", "them")
        return [
            Problem(
                "volume-kept",
                f"{noun} {names} {verb} on this host with all that is in {it}",
                hint=f"`vmm up` takes {it} up again; `vmm down --volumes` deletes {it}",
                severity="note",
            )
        ]
    return [
        Problem(
            "stray-volume",
            f"volume `{name}` is on this host, and no VM of the project is to have it",
            hint=f"`vmm volume delete {name}` deletes it with all that is in it",
            severity="note",
        )
        for name in idle
    ]
