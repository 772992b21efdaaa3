"""`vmm adopt`: VMs of the Go tool baremetalvmm become ours."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from vmmcompose.cli import complete
from vmmcompose.cli.invocation import Invocation, pass_invocation
from vmmcompose.errors import Refused, UsageError, VmmError

if TYPE_CHECKING:
    from vmmcompose.host.foreign import ForeignVm
    from vmmcompose.model.desired import DesiredVm

_HELP = """Take over VMs of baremetalvmm whose records lie in the data folder: disk, address, mounts, forwards.

Only stopped VMs. Nothing is copied or lost: the disk gets a new name, the old record stays in the VM's folder as
baremetalvmm.json. Without names all of them. With --print nothing is taken over; the vmm.yaml for them is printed.

\b
Examples:
  vmm adopt --print > vmm.yaml
  sudo vmm adopt
  sudo vmm adopt myvm && sudo vmm start myvm"""


@click.command(help=_HELP)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete.foreign_vms)
@click.option("--print", "only_print", is_flag=True, help="Print vmm.yaml for them and change nothing.")
@pass_invocation
def adopt(invocation: Invocation, names: tuple[str, ...], *, only_print: bool) -> None:
    """`vmm adopt`."""
    chosen = _chosen(invocation, names)
    if only_print:
        click.echo(_manifest(invocation, chosen), nl=False)
        return
    from vmmcompose.host.access import require_root
    from vmmcompose.host.foreign import is_running

    require_root("taking over VMs")
    running = [vm.name for vm in chosen if is_running(vm)]
    if running:
        raise Refused(
            f"{', '.join(running)} run under baremetalvmm; nothing was taken over",
            hint="stop them with the tool that started them, then try again",
        )
    for vm in chosen:
        _take(invocation, vm)


def _chosen(invocation: Invocation, names: Sequence[str]) -> "list[ForeignVm]":
    from vmmcompose.cli.project import nearest
    from vmmcompose.host.foreign import read_foreign

    found, wrong = read_foreign(invocation.paths())
    for words in wrong:
        invocation.say(words)
    known = {vm.name: vm for vm in found}
    for name in names:
        if name not in known:
            hint = (
                nearest(name, known)
                or f"there are {', '.join(known) or 'none'} in {invocation.paths().vms()}"
            )
            raise UsageError(f"baremetalvmm has no VM {name!r} here", hint=hint)
    if not found:
        message = f"there are no VMs of baremetalvmm in {invocation.paths().vms()}"
        raise VmmError(message, hint="--data-dir names another folder")
    return [known[name] for name in dict.fromkeys(names)] if names else found


def _take(invocation: Invocation, foreign: "ForeignVm") -> None:
    from vmmcompose.cli.converging import Consent, converge_shown
    from vmmcompose.host.foreign import forget, give_back, keep
    from vmmcompose.model.desired import Desired
    from vmmcompose.model.options import Options
    from vmmcompose.network.addresses import is_host_address

    paths, settings = invocation.paths(), invocation.settings()
    vm = _named(foreign)
    if vm.ip and not is_host_address(vm.ip, settings):
        invocation.say(f"{vm.name}: its address {vm.ip} is not in {settings.subnet}; it gets another")
        vm = replace(vm, ip="")
    keep(paths, foreign, vm.name)
    options = Options(only=(vm.name,), register=True, adopt=(foreign.name,), wait=False)
    try:
        converge_shown(invocation, Desired("", (vm,)), options, Consent(allowed=False))
    except Refused:
        give_back(paths, foreign, vm.name)
        raise
    forget(paths, foreign, vm.name)
    if any(mount.mode == "rw" for mount in vm.mounts):
        invocation.say(
            f"{vm.name}: its writable mounts are made anew from their folders, as baremetalvmm did"
        )
    if foreign.autostart:
        invocation.say(f"{vm.name}: it was started at boot; `vmm autostart enable {vm.name}` does so again")
    click.echo(vm.name)


def _named(foreign: "ForeignVm") -> "DesiredVm":
    """The VM under a name that is good here; the old tool took capitals and underscores."""
    from vmmcompose.manifest.values import NAME_LENGTH, name_fault, normalised_name

    name = foreign.name if not name_fault(foreign.name) else normalised_name(foreign.name)
    if not name or len(name) > NAME_LENGTH:
        raise UsageError(
            f"VM {foreign.name} cannot be called so here", hint="rename its record and its disk first"
        )
    return replace(foreign.vm, name=name, hostname=name)


def _manifest(invocation: Invocation, chosen: "Sequence[ForeignVm]") -> str:
    from vmmcompose.render.export.yamltext import document

    vms = {_named(vm).name: _section(_named(vm)) for vm in chosen}
    where = invocation.paths().vms()
    text = document({"name": "moved", "vms": vms}).replace("$", "$$")  # no variables
    return f"# VMs of baremetalvmm in {where}. `vmm up` makes new VMs of this; `vmm adopt` keeps the old disks.\n{text}"


def _section(vm: "DesiredVm") -> dict[str, Any]:
    from vmmcompose.plan.costs import show_forward

    section: dict[str, Any] = {"image": vm.image}
    if vm.kernel != "default":
        section["kernel"] = vm.kernel
    section |= {"cpus": vm.cpus, "memory": f"{vm.memory_mib}MiB", "disk": f"{vm.disk_mib}MiB"}
    optional = {
        "ssh_keys": list(vm.ssh_keys),
        "dns": list(vm.dns),
        "mounts": [f"{mount.source}:{mount.tag}:{mount.mode}" for mount in vm.mounts],
        "ports": [show_forward(port).replace("->", ":") for port in vm.ports],
    }
    return section | {key: value for key, value in optional.items() if value}
