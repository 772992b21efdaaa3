"""Which of a project's VMs on the host are no part of it any more, and which only look so."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from vmmcompose.model.desired import Desired
from vmmcompose.model.options import Options
from vmmcompose.model.record import Record
from vmmcompose.plan.view import Index
from vmmcompose.plan.work import VmWork


def set_aside(desired: Desired, records: Mapping[str, Record]) -> tuple[str, ...]:
    """VMs on the host whose profiles are not chosen: left as they are. `records` are the project's, by short name."""
    known = {vm.name for vm in desired.inactive}
    kinds = {vm.replica_of for vm in desired.inactive if vm.replica_of}
    return (
        tuple(name for name, record in records.items() if name in known or record.spec.replica_of in kinds)
        if known
        else ()
    )


def orphans(desired: Desired, records: Mapping[str, Record]) -> tuple[str, ...]:
    """VMs that the manifest does not name at all, sorted."""
    known = {vm.name for vm in desired.vms}.union(set_aside(desired, records))
    counts = dict(desired.replicas)
    return tuple(
        sorted(
            name
            for name, record in records.items()
            if name not in known and record.spec.replica_of not in counts
        )
    )


def surplus(desired: Desired, records: Mapping[str, Record]) -> tuple[str, ...]:
    """Replicas beyond the number that there are to be, the last one first."""
    known, counts = {vm.name for vm in desired.vms}, dict(desired.replicas)
    found = [
        record.spec
        for name, record in records.items()
        if name not in known and record.spec.replica_of in counts
    ]
    return tuple(spec.vm for spec in sorted(found, key=lambda spec: (spec.replica_of, -spec.replica)))


def leaving(
    desired: Desired, records: Mapping[str, Record], options: Options, *, everything: bool
) -> Iterator[tuple[str, str]]:
    """What is deleted although nobody named it, each with why.

    Orphans go when they are asked away, and `everything` is meant. Of VMs with replicas those too many go, of all such
    VMs or of those named.
    """
    if everything and options.remove_orphans:
        yield from ((name, "not in the manifest any more") for name in orphans(desired, records))
    if options.remove_surplus:
        counts = dict(desired.replicas)
        for name in surplus(desired, records):
            kind = records[name].spec.replica_of
            if everything or kind in options.only:
                yield name, f"{kind} has {counted(counts[kind])}"


def with_losses(work: VmWork, desired: Desired, record: Record, index: Index) -> VmWork:
    """The deletion of a VM that nobody asked away loses what its guest wrote to mounts.

    A replica's root disk is made of what the others' are: an image and scripts.
    """
    tags = index.mount_losses(record.spec.name, ())
    if work.change is not None and tags and record.spec.replica_of in dict(desired.replicas):
        loss = ", ".join(f"what VM `{work.vm}` wrote to mount {tag}" for tag in tags)
        work.change = replace(work.change, data_loss=loss)
    return work


def counted(replicas: int) -> str:
    """`2 replicas`."""
    return f"{replicas or 'no'} replica{'' if replicas == 1 else 's'}"
