"""The VMs a command names: of the manifest, single ones, or of other projects, each group as one `Desired`.

A name is looked for in this order: the manifest's VMs, this project's records, the host's names (`<project>-<vm>`
or a single VM's own). That of a VM with `replicas` means all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vmmcompose.cli.project import (
    as_recorded,
    choose,
    find_records,
    load_desired,
    meanings,
    nearest,
    read_all,
    with_everybody,
)
from vmmcompose.errors import UsageError, VmmError
from vmmcompose.model.desired import Desired, DesiredVm, Power
from vmmcompose.model.record import Record

if TYPE_CHECKING:
    from vmmcompose.cli.invocation import Invocation


@dataclass(frozen=True, slots=True)
class Target:
    """VMs of one project, or single VMs, that a command means."""

    desired: Desired
    only: tuple[str, ...]
    """Their short names; empty means all of the project."""

    def with_power(self, power: Power) -> Desired:
        """The same project with another power for these VMs."""
        return self.changed(power=power)

    def changed(self, **fields: object) -> Desired:
        """The same project with these VMs changed."""
        meant = {vm.name for vm in self.vms}
        vms = (
            replace(vm, **fields) if vm.name in meant else vm  # type: ignore[arg-type]
            for vm in self.desired.vms
        )
        return replace(self.desired, vms=tuple(vms))

    @property
    def vms(self) -> tuple[DesiredVm, ...]:
        """The VMs meant."""
        only = frozenset(self.only)
        return tuple(vm for vm in self.desired.vms if not only or vm.name in only)


def wanted(invocation: "Invocation", names: Sequence[str], *, ending: bool = False) -> list[Target]:
    """What is meant, as the manifest wants it where it names a VM, else as the records know it.

    Without names all VMs of the project; for a command that is `ending` them also those whose profiles are not chosen.

    Raises:
        UsageError: there is no such VM, or neither names nor a project.
        ManifestInvalid: the manifest has problems.
    """
    desired = _manifest(invocation, () if ending else names, required=not names)
    if desired is not None and ending:
        desired = with_everybody(desired)
    if desired is not None and not names:
        return [Target(desired, ())]
    mine: list[str] = []
    others: list[str] = []
    for name in names:
        (mine if desired is not None and _is_in(desired, name) else others).append(name)
    found = [Target(desired, choose(desired, mine))] if desired is not None and mine else []
    return found + _recorded(invocation, others, desired)


def recorded(invocation: "Invocation", names: Sequence[str]) -> list[Target]:
    """What is meant, as the records know it: the manifest is asked for its name only.

    Raises:
        UsageError: there is no such VM.
    """
    return _recorded(invocation, names, None)


def require_running(record: Record, what: str) -> None:
    """Refuses to do something with a VM that does not run.

    Raises:
        VmmError: it does not run.
    """
    from vmmcompose.cli.ps import live_state

    state = live_state(record, frozenset())
    if state != "running":
        verb = "resume" if state == "paused" else "start"
        raise VmmError(f"VM {record.spec.vm} is {state}; {what}", hint=f"vmm {verb} {record.spec.vm}")


def _manifest(invocation: "Invocation", names: Sequence[str], *, required: bool) -> Desired | None:
    try:
        return load_desired(invocation, from_records=True, names=names)
    except UsageError as error:
        # Without a manifest the names may still be those of VMs on this host.
        if required:
            raise UsageError(f"which VMs? {error.message}", hint=error.hint or "vmm list") from error
        if invocation.files or error.problems:
            raise
        return None


def _is_in(desired: Desired, name: str) -> bool:
    known = meanings(desired)
    return name in known or name.removeprefix(f"{desired.project}-") in known


def _recorded(invocation: "Invocation", names: Sequence[str], desired: Desired | None) -> list[Target]:
    groups: dict[str, dict[str, Record]] = {}
    for name in names:
        for record in _find(invocation, name, desired):
            groups.setdefault(record.spec.project, {})[record.spec.vm] = record
    if not groups:
        return []
    everything = read_all(invocation)[0]
    found = []
    for project, chosen in sorted(groups.items()):
        # A project goes as a whole, so that names and addresses of its VMs stay what they are.
        records = [r for r in everything if r.spec.project == project] if project else list(chosen.values())
        found.append(Target(as_recorded(project, records), tuple(chosen)))
    return found


def _find(invocation: "Invocation", name: str, desired: Desired | None) -> tuple[Record, ...]:
    try:
        return find_records(invocation, name)
    except UsageError as error:
        near = nearest(name, meanings(desired)) if desired is not None else ""
        raise UsageError(error.message, hint=near or error.hint) from error
