"""What carries our mark but belongs to no VM: TAPs are deleted, processes only told about.

A record is written before its TAP is made and its process started, so what has none was forgotten: somebody
deleted the record, and the manifest does not name the VM any more.
"""

from collections.abc import Collection

from vmmcompose.model.desired import Desired
from vmmcompose.model.observed import Observed
from vmmcompose.model.paths import tap_name
from vmmcompose.model.problem import Problem
from vmmcompose.model.record import Record
from vmmcompose.model.settings import Settings
from vmmcompose.model.spec import host_name
from vmmcompose.network.compare import unwanted_taps


def stray_taps(observed: Observed, records: Collection[Record], settings: Settings) -> tuple[str, ...]:
    """Our TAPs that no record and no living process has; none while a record cannot be read."""
    if observed.links is None or any(not record.foreign for record in observed.unreadable):
        return ()
    wanted = {record.spec.tap for record in (*observed.records, *records)}
    wanted |= {tap_name(process.vm_id) for process in observed.processes}
    return unwanted_taps(observed.links, wanted, settings)


def stray_disks(observed: Observed, desired: Desired, known: Collection[str]) -> list[Problem]:
    """A note for each folder of this project's with a disk that no record and no manifest names."""
    if not desired.project:
        return []
    wanted = {host_name(desired.project, vm.name) for vm in (*desired.vms, *desired.inactive)} | {
        bad.name for bad in observed.unreadable
    }
    return [
        Problem(
            "stray-disk",
            f"the folder of {name} has files of a VM, but there is no record of it",
            hint=f"put the VM back into the manifest to use its disk, or delete the folder vms/{name}",
            severity="note",
        )
        for name in sorted(observed.folders)
        if name.startswith(f"{desired.project}-") and name not in wanted and name not in known
    ]


def stray_processes(
    observed: Observed, records: Collection[Record], stopping: Collection[str]
) -> list[Problem]:
    """A warning for each VMM of ours that no record names; it may hold somebody's data, so it is left running.

    `stopping` are the ids of VMs that the plan ends anyway.
    """
    known = {record.spec.id for record in (*observed.records, *records)} | set(stopping)
    if any(not record.foreign for record in observed.unreadable):
        return []
    return [
        Problem(
            "stray-process",
            f"{found.driver} process {found.process.pid} (VM id {found.vm_id}) has no record",
            hint=f"put its VM back into the manifest, or end it: kill {found.process.pid}",
            severity="warning",
        )
        for found in observed.processes
        if found.vm_id not in known
    ]
