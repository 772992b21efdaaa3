"""What was done by hand to VMs: what of it cannot be done, and what a manifest leaves as it is."""

from collections.abc import Container, Iterable
from dataclasses import replace

from vmmcompose.model.desired import Desired
from vmmcompose.model.observed import Observed
from vmmcompose.model.options import Options
from vmmcompose.model.problem import Problem
from vmmcompose.model.spec import VmSpec, host_name
from vmmcompose.plan.costs import show_forward
from vmmcompose.plan.view import Index


def without_adopted(observed: Observed, options: Options) -> Observed:
    """The host without the foreign records that are about to become ours."""
    if not options.adopt:
        return observed
    left = tuple(bad for bad in observed.unreadable if not (bad.foreign and bad.name in options.adopt))
    return replace(observed, unreadable=left)


def check_fresh(ours: Container[str], options: Options) -> list[Problem]:
    """A VM that is to be created must not be there; asked again under the lock, so that two creators do not mix."""
    taken = [vm for vm in options.only if options.fresh and vm in ours]
    return [
        Problem(
            "exists", f"there is a VM `{vm}` already", ("vms", vm), f"`vmm start {vm}`, or `vmm delete {vm}`"
        )
        for vm in taken
    ]


def check_paused(desired: Desired, index: Index, only: frozenset[str]) -> list[Problem]:
    """A VM that is to be paused must run."""
    problems = []
    for vm in desired.vms:
        if vm.power != "paused" or (only and vm.name not in only):
            continue
        record = index.records.get(host_name(desired.project, vm.name))
        alive = record is not None and record.spec.id in index.processes
        if record is None or not alive or record.state not in ("running", "paused"):
            message = f"VM `{vm.name}` does not run, so it cannot be paused"
            problems.append(Problem("not-running", message, ("vms", vm.name), f"vmm start {vm.name}"))
    return problems


def added_forwards(specs: Iterable[VmSpec]) -> list[Problem]:
    """A note for each forward of a manifest's VM that was added by hand: it is kept."""
    return [
        Problem(
            "added-port",
            f"VM `{spec.vm}`: the forward {show_forward(port)} was added by hand and stays",
            ("vms", spec.vm),
            f"`vmm port-forward remove {spec.vm} {port.host}` takes it away",
            severity="note",
        )
        for spec in specs
        if spec.project
        for port in spec.added_ports
    ]
