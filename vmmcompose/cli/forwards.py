"""`vmm port-forward …`: forwards added by hand, live, beside those that a manifest declares."""

from dataclasses import replace

import click

from vmmcompose.cli import complete
from vmmcompose.cli.given import given
from vmmcompose.cli.invocation import Invocation, pass_invocation, print_json
from vmmcompose.cli.project import find_record
from vmmcompose.cli.targets import Target, recorded
from vmmcompose.errors import UsageError, VmmError
from vmmcompose.model.desired import Desired, Forward
from vmmcompose.model.record import Record

SCHEMA_VERSION = 1
_ADD_HELP = """Forward a port of this host to a VM, at once and after every restart.

Where the VM is a manifest's, the forward is kept apart from those that `vmm.yaml` declares: `vmm up` leaves it,
`vmm plan` mentions it.

\b
Examples:
  vmm port-forward add web 8080:80
  vmm port-forward add web 127.0.0.1:2222:22
  vmm port-forward add dns 5353:53/udp"""
_REMOVE_HELP = """Take forwards away, by their host port or as they were given.

One that a manifest declares comes back with the next `vmm up`.

\b
Examples:
  vmm port-forward remove web 8080
  vmm port-forward remove dns 5353:53/udp"""


@click.group(name="port-forward")
def port_forward() -> None:
    """List, add and remove forwards of a VM's ports."""


@port_forward.command(help=_ADD_HELP)
@click.argument("vm", metavar="VM", shell_complete=complete.recorded_vms)
@click.argument("forwards", metavar="[BIND:]HOST:GUEST[/udp]...", nargs=-1, required=True)
@pass_invocation
def add(invocation: Invocation, vm: str, forwards: tuple[str, ...]) -> None:
    """`vmm port-forward add`."""
    from vmmcompose.manifest.network import forward

    record = find_record(invocation, vm)
    added = list(record.spec.added_ports)
    for text in forwards:
        wish = given("the forward", forward, text)
        if wish in (*record.spec.ports, *added):
            invocation.say(f"{record.spec.vm}: {text} is there already")
            continue
        clash = next((one for one in (*record.spec.ports, *added) if _key(one) == _key(wish)), None)
        if clash is not None:
            raise UsageError(
                f"host port {wish.host}/{wish.protocol} leads to port {clash.guest} of VM {record.spec.vm} already",
                hint=f"vmm port-forward remove {vm} {wish.host}",
            )
        added.append(wish)
    _change(invocation, record, record.spec.ports, tuple(sorted(added)))


@port_forward.command(help=_REMOVE_HELP)
@click.argument("vm", metavar="VM", shell_complete=complete.recorded_vms)
@click.argument(
    "forwards",
    metavar="HOST_PORT|FORWARD...",
    nargs=-1,
    required=True,
    shell_complete=complete.host_ports,
)
@pass_invocation
def remove(invocation: Invocation, vm: str, forwards: tuple[str, ...]) -> None:
    """`vmm port-forward remove`."""
    record = find_record(invocation, vm)
    gone = {one for text in forwards for one in _meant(record, text)}
    kept = tuple(one for one in record.spec.ports if one not in gone)
    if kept != record.spec.ports and record.spec.project:
        invocation.say(f"{record.spec.vm}: if vmm.yaml declares it, `vmm up` brings it back")
    _change(invocation, record, kept, tuple(one for one in record.spec.added_ports if one not in gone))


@port_forward.command(name="list")
@click.argument("vm", metavar="[VM]", required=False, shell_complete=complete.recorded_vms)
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a versioned shape.")
@pass_invocation
def list_forwards(invocation: Invocation, vm: str | None, *, as_json: bool) -> None:
    """List the forwards of one VM, or of all VMs of this host."""
    from vmmcompose.cli.project import read_all

    records = (find_record(invocation, vm),) if vm else read_all(invocation)[0]
    rows = [
        {
            "vm": record.spec.name,
            "bind": one.bind,
            "host": one.host,
            "guest": one.guest,
            "protocol": one.protocol,
            "added_by_hand": one in record.spec.added_ports,
        }
        for record in records
        for one in record.spec.forwards
    ]
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, "forwards": rows})
        return
    from vmmcompose.render.tables import table

    cells = [
        (
            str(row["vm"]),
            f"{row['bind'] or '*'}:{row['host']}",
            str(row["guest"]),
            str(row["protocol"]),
            "by hand" if row["added_by_hand"] else "declared",
        )
        for row in rows
    ]
    click.echo(table(("VM", "HOST", "GUEST", "PROTOCOL", "ORIGIN"), cells), nl=False)


def _key(forward: Forward) -> tuple[str, str, int]:
    return forward.protocol, forward.bind, forward.host


def _meant(record: Record, text: str) -> list[Forward]:
    """The forwards a word means: a host port, or the whole as `add` takes it."""
    from vmmcompose.manifest.network import forward

    forwards = record.spec.forwards
    if text.isascii() and text.isdigit():
        found = [one for one in forwards if one.host == int(text)]
    else:
        wish = given("the forward", forward, text)
        found = [one for one in forwards if one == wish]
    if not found:
        known = ", ".join(str(one.host) for one in forwards) or "none"
        raise UsageError(f"VM {record.spec.vm} has no forward {text}", hint=f"its host ports are: {known}")
    return found


def _change(
    invocation: Invocation, record: Record, ports: tuple[Forward, ...], added: tuple[Forward, ...]
) -> None:
    from vmmcompose.cli.converging import Consent, converge_shown
    from vmmcompose.cli.ps import live_state
    from vmmcompose.model.options import Options

    state = live_state(record, frozenset())
    if state not in ("running", "stopped"):
        verb = "resume" if state == "paused" else "start"
        raise VmmError(f"VM {record.spec.vm} is {state}", hint=f"vmm {verb} {record.spec.vm}")
    (target,) = recorded(invocation, (record.spec.name,))
    desired = _with_ports(target, ports, added)
    options = Options(only=target.only, alone=True, register=state == "stopped", wait=False, provision=False)
    converge_shown(invocation, desired, options, Consent(allowed=False))


def _with_ports(target: Target, ports: tuple[Forward, ...], added: tuple[Forward, ...]) -> Desired:
    vms = [
        replace(vm, ports=ports, added_ports=added) if vm.name in target.only else vm
        for vm in target.desired.vms
    ]
    return replace(target.desired, vms=tuple(vms))
