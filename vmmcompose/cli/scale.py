"""`--scale VM=N`: another number of replicas than the manifest's, for one run."""

from typing import TYPE_CHECKING

import click

from vmmcompose.errors import UsageError

if TYPE_CHECKING:
    from vmmcompose.model.desired import Desired

Scale = tuple[tuple[str, int], ...]
MOST = 10_000


def _read(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> Scale:
    found: dict[str, int] = {}
    for value in values:
        vm, equals, number = value.partition("=")
        if not (vm and equals and number.isascii() and number.isdigit()) or len(number) > 9:
            raise UsageError(f"--scale takes VM=N, not {value!r}", hint="e.g. --scale web=3")
        if int(number) > MOST:
            raise UsageError(f"--scale {value}: at most {MOST} replicas")
        if found.setdefault(vm, int(number)) != int(number):
            raise UsageError(f"--scale has two numbers for {vm}")
    return tuple(sorted(found.items()))


scale_option = click.option(
    "--scale",
    multiple=True,
    metavar="VM=N",
    callback=_read,
    help="So many replicas of a VM instead of the manifest's number; may be given for several VMs.",
)


def check_scale(desired: "Desired", scale: Scale) -> None:
    """Refuses numbers for VMs that have no replicas.

    Raises:
        UsageError: there is no such VM, it has no `replicas`, or its profiles are not chosen.
    """
    from vmmcompose.cli.project import nearest

    there = dict(desired.replicas)
    inactive = {vm.replica_of: vm for vm in desired.inactive}
    single = {vm.name for vm in (*desired.vms, *desired.inactive)}
    for vm, number in scale:
        if vm in there:
            continue
        if vm in inactive:
            profile = inactive[vm].profiles[0]
            hint = f"vmm --profile {profile} …, or name the VM"
            raise UsageError(f"--scale: VM {vm!r} is there with profile {profile!r} only", hint=hint)
        if vm in single:
            hint = f"write `replicas: {number}` into the manifest: the VM is then called {vm}-1"
            raise UsageError(f"--scale: VM {vm!r} has no `replicas`", hint=hint)
        known = [*there, *single]
        hint = nearest(vm, there) or nearest(vm, known) or f"project {desired.project} has {', '.join(known)}"
        raise UsageError(f"--scale: there is no VM {vm!r} in project {desired.project}", hint=hint)
