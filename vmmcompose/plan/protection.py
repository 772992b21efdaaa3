"""`lifecycle.prevent_delete`: what would lose such a VM's disk is refused."""

from collections.abc import Iterable, Mapping

from vmmcompose.model.desired import Desired
from vmmcompose.model.problem import Problem
from vmmcompose.model.record import Record
from vmmcompose.plan.work import VmWork

_DEEDS = {"replace": "replaced", "delete": "deleted"}


def check_protected(desired: Desired, works: Iterable[VmWork], ours: Mapping[str, Record]) -> list[Problem]:
    """VMs that the plan would delete or replace although the manifest, or what was last applied of it, forbids it."""
    declared = {vm.name: vm.prevent_delete for vm in desired.vms}
    groups = {vm.replica_of for vm in desired.vms}
    problems = []
    for work in works:
        deed = _DEEDS.get(work.change.kind, "") if work.change is not None else ""
        record = ours.get(work.vm)
        if not deed or not (declared.get(work.vm) or (record is not None and record.spec.prevent_delete)):
            continue
        if declared.get(work.vm):
            hint = "take `prevent_delete` out of its `lifecycle` and run `vmm up` first"
        elif work.vm in declared:
            other = " without this change" if deed == "replaced" else ""
            hint = f"run `vmm up`{other} first: what was applied last still protects it"
        elif record is not None and record.spec.replica_of in groups:
            least = record.spec.replica
            hint = f"say `replicas: {least}` or more, or run `vmm up` without `prevent_delete` first"
        else:
            hint = "put it back into the manifest without `prevent_delete` and run `vmm up` first"
        problems.append(
            Problem(
                "protected",
                f"VM `{work.vm}` would be {deed}, which its `lifecycle.prevent_delete` forbids",
                ("vms", work.vm, "lifecycle") if work.vm in declared else (),
                hint,
            )
        )
    return problems
