"""`vmm snapshot …`: a running VM's memory and disks, kept to go on from there."""

import re
from typing import Any

import click

from vmmcompose.cli import complete
from vmmcompose.cli.invocation import Invocation, Seconds, pass_invocation, print_json
from vmmcompose.cli.project import find_record, nearest
from vmmcompose.errors import UsageError, VmmError
from vmmcompose.model.record import Record
from vmmcompose.model.snapshot import NAME, Restore, Snapshot, UnreadableSnapshot
from vmmcompose.model.spec import VmSpec

SCHEMA_VERSION = 1
HEADER = ("VM", "SNAPSHOT", "CREATED", "MEMORY", "ON DISK", "DRIVER")
_CREATE_HELP = """Keep a running VM's memory and disks; it stands still meanwhile and runs on afterwards.

Firecracker only. The name is the time where none is given. `vmm image snapshot` makes an image of a stopped VM's disk
instead, for other VMs to begin with.

\b
Examples:
  vmm snapshot create web
  vmm snapshot create web before-upgrade"""
_RESTORE_HELP = """Go back to a snapshot, the newest where none is named: the VM goes on where it was then.

Memory and disks become what they were; what was written since is lost, so that is asked about. Address, forwards and
the like stay as they are. The guest's clock is set. The snapshot stays and can be gone back to again.

Possible only where and as the VM was: the same CPU model, a Firecracker that reads the snapshot, the same address and
mounts.

\b
Examples:
  vmm snapshot restore web
  vmm snapshot restore web before-upgrade --allow-data-loss"""
_DELETE_HELP = """Delete snapshots. A VM that was restored from one runs on.

\b
Examples:
  vmm snapshot delete web before-upgrade
  vmm snapshot delete web 20260131-120000 20260201-120000"""

_IN_MEMORY = (
    "image",
    "kernel",
    "boot_args",
    "cpus",
    "memory_mib",
    "disk_mib",
    "hostname",
    "ssh_keys",
    "dns",
    "mounts",
    "env",
    "files",
)
"""What a guest's memory and disks were made with; the rest of a VM is the host's business and stays."""


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
    with hold(paths.work_lock(spec.project, spec.vm), _held(spec), on_wait=invocation.say):
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


@snapshot.command(help=_RESTORE_HELP)
@_vm
@click.argument("name", metavar="[NAME]", default="", shell_complete=complete.snapshots)
@click.option("--allow-data-loss", is_flag=True, help="Do not ask: what was written since is lost.")
@click.option("--wait/--no-wait", default=True, help="Wait until the VM answers [default: wait].")
@click.option(
    "--timeout",
    type=Seconds(min=0, min_open=True),
    metavar="SECONDS",
    help="How long it may take until it answers [default: its healthcheck's timeout, or 120].",
)
@pass_invocation
def restore(
    invocation: Invocation, vm: str, name: str, timeout: float | None, *, allow_data_loss: bool, wait: bool
) -> None:
    """`vmm snapshot restore`."""
    from vmmcompose.cli.converging import Consent, converge_shown
    from vmmcompose.cli.targets import recorded
    from vmmcompose.host.access import require_root
    from vmmcompose.model.options import Options

    require_root("going back to a snapshot")
    record = find_record(invocation, vm)
    asked = _restore(invocation, record, name)
    (target,) = recorded(invocation, (record.spec.name,))
    fields = {field: getattr(asked.snapshot.record.spec, field) for field in _IN_MEMORY}
    desired = target.changed(power="running", hypervisor=asked.snapshot.record.spec.driver, **fields)
    options = Options(
        only=target.only, alone=True, wait=wait, provision=False, timeout_s=timeout, restore=asked
    )
    converge_shown(invocation, desired, options, Consent(allow_data_loss))


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
    with hold(paths.work_lock(spec.project, spec.vm), _held(spec), on_wait=invocation.say):
        known = names_of(invocation, spec.name)
        for name in names:
            if name not in known:
                raise no_snapshot(spec.vm, name, known)
        for name in names:
            delete_snapshot(paths, spec.name, name)
            invocation.say(f"{spec.vm}: snapshot {name} deleted")


def _restore(invocation: Invocation, record: Record, name: str) -> Restore:
    """The snapshot named, or the newest, and what this host says to it."""
    from vmmcompose.apply.snapshots import memory_files
    from vmmcompose.drivers import snapshotter
    from vmmcompose.host import kvm, snapshots

    paths, spec = invocation.paths(), record.spec
    found = snapshots.read_snapshots(paths, spec.name)
    if not found:
        snapshotter(spec.driver)
    chosen = next((one for one in reversed(found) if name in ("", one.name)), None)
    if chosen is None:
        raise no_snapshot(spec.vm, name, [one.name for one in found])
    if isinstance(chosen, UnreadableSnapshot):
        raise VmmError(
            f"VM {spec.vm}: snapshot {chosen.name} cannot be used: {chosen.why}",
            hint=f"`vmm snapshot delete {spec.vm} {chosen.name}` takes it away",
        )
    files = memory_files(paths, spec.name, chosen.name)
    kept_by = chosen.record.spec.driver
    binary = kvm.find_binary(invocation.settings(), kept_by)
    fault = snapshotter(kept_by).snapshot_fault(binary, files) if binary else ""
    return Restore(chosen, str(paths.root), kvm.cpu_model(), fault)


def _held(spec: VmSpec) -> str:
    return f"project {spec.project}" if spec.project else f"VM {spec.vm}"


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
    if not known:
        return UsageError(f"VM {vm} has no snapshots", hint=f"`vmm snapshot create {vm}` makes one")
    hint = nearest(name, known) or f"it has: {', '.join(known)}"
    return UsageError(f"VM {vm} has no snapshot {name!r}", hint=hint)
