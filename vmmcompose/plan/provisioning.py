"""Which provision scripts a VM's disk has not seen, and how a plan says so."""

from collections.abc import Iterable

from vmmcompose.guest.scripts import script_digest
from vmmcompose.model.actions import RunProvision
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Reason
from vmmcompose.model.spec import VmSpec
from vmmcompose.plan.view import VmView


def scripts_left(spec: VmSpec, view: VmView, options: Options, *, fresh: bool) -> list[RunProvision]:
    """The scripts to run, in the manifest's order, each content once; on a `fresh` disk all of them."""
    if not options.provision:
        return []
    info = view.disk.info if view.disk is not None else None
    done = set() if fresh or info is None else set(info.provisioned)
    left = []
    for script in spec.provision:
        digest = script_digest(script.content)
        if digest not in done:
            left.append(RunProvision(spec, script))
            done.add(digest)
    return left


def left_reasons(left: Iterable[RunProvision], told: Iterable[Reason]) -> list[Reason]:
    """What a plan says of scripts that are still to run; those whose change it tells already need no more."""
    known = {reason.field for reason in told}
    return [
        Reason("provision", why=f"{action.provision.name} has not been done")
        for action in left
        if f"provision.{action.provision.name}" not in known
    ]
