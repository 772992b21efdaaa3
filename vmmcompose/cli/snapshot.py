"""`vmm snapshot …`: a running VM's memory and disks, kept to go on from there."""

import re
from typing import Any

import click

from vmmcompose.cli import complete
from vmmcompose.cli.invocation import Invocation, pass_invocation, print_json
from vmmcompose.cli.project import find_record, nearest
from vmmcompose.errors import UsageError
from vmmcompose.model.record import Record
from vmmcompose.model.snapshot import NAME, Snapshot

SCHEMA_VERSION = 1
HEADER = ("VM", "SNAPSHOT", "CREATED", "MEMORY", "ON DISK", "DRIVER")
_CREATE_HELP = """Keep a running VM's memory and disks; it stands still meanwhile and runs on afterwards.

Firecracker only. The name is the time where none is given. `vmm image snapshot` makes an image of a stopped VM's disk
instead, for other VMs to begin with.

\b
Examples:
  vmm snapshot create web
  vmm snapshot create web before-upgrade"""
_DELETE_HELP = """Delete snapshots. A VM that was restored from one runs on.

\b
Examples:
  vmm snapshot delete web before-upgrade
  vmm snapshot delete web 20260131-120000 20260201-120000"""


@click.group()
def snapshot() -> None:
    """Keep a running VM's memory and disks, and go back to them."""


_vm = click.argument("vm", metavar="VM", shell_complete=complete.recorded_vms)


@snapshot.command(help=_CREATE_HELP)
@_vm
@click.argument("name", metavar="[NAME]", default="")
@pass_invocation
def create(invocation: Invocation, vm: str, name: str) -> None:
    """`vmm snapshot create`."""
    from datetime import UTC, datetime

    from vmmcompose.apply.snapshots import take_snapshot
    from vmmcompose.host.access import require_root
    from vmmcompose.host.locks import hold
    from vmmcompose.host.snapshots import size_on_disk
    from vmmcompose.render.tables import mib

    chosen = name or datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    if not re.fullmatch(NAME, chosen):
        raise UsageError(
            f"{chosen!r} cannot be a snapshot's name", hint="letters, digits, `-` and `_`, at most 64 of them"
        )
    require_root("keeping a VM's memory")
    spec = find_record(invocation, vm).spec
    paths = invocation.paths()
    with hold(paths.work_lock(spec.project, spec.vm), f"VM {spec.vm}", on_wait=invocation.say):
        taken = take_snapshot(paths, spec.name, chosen, lambda words: invocation.say(f"{spec.vm}: {words}"))
    size = mib(size_on_disk(paths, spec.name, chosen))
    stood = f"it stood still for {taken.paused_s:.2f} s" if taken.paused_s else "it is still paused"
    invocation.say(f"{spec.vm}: snapshot {chosen} made, {size} on disk; {stood}")
    click.echo(chosen)


@snapshot.command(name="list")
@click.argument("vm", metavar="[VM]", default="", shell_complete=complete.recorded_vms)
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a versioned shape.")
@pass_invocation
def list_snapshots(invocation: Invocation, vm: str, *, as_json: bool) -> None:
    """List a VM's snapshots, or without a name those of all VMs on this host."""
    from vmmcompose.cli.project import read_all

    records = [find_record(invocation, vm)] if vm else read_all(invocation)[0]
    rows = [row for record in records for row in rows_of(invocation, record)]
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, "snapshots": rows})
        return
    from vmmcompose.render.tables import mib, table

    cells = [
        (
            row["vm"],
            row["name"],
            row["created"],
            f"{row['memory_mib']} MiB" if row["memory_mib"] else "",
            mib(row["allocated_bytes"]),
            row["driver"],
        )
        for row in rows
    ]
    click.echo(table(HEADER, cells), nl=False)
    for row in rows:
        if row["fault"]:
            invocation.say(f"{row['vm']}: snapshot {row['name']} cannot be used: {row['fault']}")


@snapshot.command(help=_DELETE_HELP)
@_vm
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete.snapshots)
@pass_invocation
def delete(invocation: Invocation, vm: str, names: tuple[str, ...]) -> None:
    """`vmm snapshot delete`."""
    from vmmcompose.host.access import require_root
    from vmmcompose.host.locks import hold
    from vmmcompose.host.snapshots import delete_snapshot

    require_root("deleting a VM's memory")
    spec = find_record(invocation, vm).spec
    paths = invocation.paths()
    with hold(paths.work_lock(spec.project, spec.vm), f"VM {spec.vm}", on_wait=invocation.say):
        known = names_of(invocation, spec.name)
        for name in names:
            if name not in known:
                raise no_snapshot(spec.vm, name, known)
        for name in names:
            delete_snapshot(paths, spec.name, name)
            invocation.say(f"{spec.vm}: snapshot {name} deleted")


def rows_of(invocation: Invocation, record: Record) -> list[dict[str, Any]]:
    """A VM's snapshots as `list --json` shows them."""
    from vmmcompose.host.snapshots import read_snapshots, size_on_disk

    rows = []
    for found in read_snapshots(invocation.paths(), record.spec.name):
        spec = found.record.spec if isinstance(found, Snapshot) else None
        rows.append(
            {
                "vm": record.spec.name,
                "name": found.name,
                "created": found.created if isinstance(found, Snapshot) else "",
                "driver": spec.driver if spec else "",
                "cpus": spec.cpus if spec else 0,
                "memory_mib": spec.memory_mib if spec else 0,
                "mounts": [mount.tag for mount in spec.mounts] if spec else [],
                "allocated_bytes": size_on_disk(invocation.paths(), record.spec.name, found.name),
                "path": str(invocation.paths().snapshot(record.spec.name, found.name)),
                "fault": "" if isinstance(found, Snapshot) else found.why,
            }
        )
    return rows


def names_of(invocation: Invocation, name: str) -> list[str]:
    """What a VM's snapshots are called."""
    from vmmcompose.host.snapshots import read_snapshots

    return [found.name for found in read_snapshots(invocation.paths(), name)]


def no_snapshot(vm: str, name: str, known: list[str]) -> UsageError:
    """The error for a name that no snapshot of a VM has."""
    hint = nearest(name, known) or (f"it has: {', '.join(known)}" if known else f"`vmm snapshot create {vm}`")
    return UsageError(f"VM {vm} has no snapshot {name!r}", hint=hint)
