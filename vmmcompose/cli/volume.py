"""`vmm volume list` and `vmm volume delete`: the disks that outlive their VMs."""

from collections.abc import Iterable, Iterator
from typing import Any

import click

from vmmcompose.cli import complete
from vmmcompose.cli.invocation import Invocation, pass_invocation, print_json
from vmmcompose.cli.project import nearest, project_name, read_all
from vmmcompose.errors import UsageError
from vmmcompose.model.record import Record

SCHEMA_VERSION = 1
HEADER = ("PROJECT", "VOLUME", "SIZE", "ON DISK", "VMS")
_LIST_HELP = """List the project's volumes; with --all, or outside of any project, all volumes of this host.

VMS are those whose records name the volume, whether or not they run. A volume without any stays until it is deleted.

\b
Examples:
  vmm volume list
  vmm volume list --json | jq -r '.volumes[] | select(.vms == []) | .name'"""
_DELETE_HELP = """Delete volumes of the project with all that is in them, which is asked about.

One that a running VM has is refused. A stopped VM gets an empty one when `vmm up` starts it again.

\b
Examples:
  vmm volume delete data-3
  vmm stop db && vmm volume delete pgdata --allow-data-loss && vmm up
  vmm -p shop volume delete pgdata    from anywhere"""


@click.group()
def volume() -> None:
    """List and delete the disks that outlive their VMs."""


@volume.command(name="list", help=_LIST_HELP, short_help="List volumes and the VMs that have them.")
@click.option("-a", "--all", "everything", is_flag=True, help="The volumes of all projects.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a versioned shape.")
@pass_invocation
def list_volumes(invocation: Invocation, *, everything: bool, as_json: bool) -> None:
    """`vmm volume list`."""
    from vmmcompose.host.volumes import projects

    project = "" if everything else project_name(invocation)
    chosen = [project] if project else projects(invocation.paths())
    records = read_all(invocation)[0]
    rows = [row for name in chosen for row in _rows(invocation, name, records)]
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, "volumes": rows})
        return
    from vmmcompose.cli.stored import print_table
    from vmmcompose.render.tables import mib

    cells: list[tuple[Any, ...]] = [
        (
            row["project"],
            row["name"],
            mib(row["size_bytes"]),
            mib(row["allocated_bytes"]),
            ", ".join(f"{vm['vm']}{' (ro)' if vm['mode'] == 'ro' else ''}" for vm in row["vms"]),
        )
        for row in rows
    ]
    print_table(HEADER, cells)


@volume.command(help=_DELETE_HELP, short_help="Delete volumes with all that is in them.")
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete.volumes)
@click.option("--allow-data-loss", is_flag=True, help="Do not ask: what is in them is lost.")
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@pass_invocation
def delete(invocation: Invocation, names: tuple[str, ...], *, allow_data_loss: bool, dry_run: bool) -> None:
    """`vmm volume delete`."""
    from vmmcompose.cli.converging import Consent, converge_shown, show_plan
    from vmmcompose.cli.project import as_recorded
    from vmmcompose.host.volumes import read_volumes
    from vmmcompose.model.desired import Desired
    from vmmcompose.model.options import Options

    project = project_name(invocation)
    if not project:
        raise UsageError(
            "which project? There is no vmm.yaml here", hint="name it with -p; see `vmm volume list`"
        )
    known = read_volumes(invocation.paths(), project)
    for name in names:
        if name not in known:
            hint = nearest(name, known) or f"it has: {', '.join(known) or 'none'}"
            raise UsageError(f"project {project} has no volume {name!r} on this host", hint=hint)
    records = [record for record in read_all(invocation)[0] if record.spec.project == project]
    # All its VMs stay as they are.
    desired = Desired(project, inactive=as_recorded(project, records).vms)
    options = Options(volumes=names, wait=False)
    if dry_run:
        show_plan(invocation, desired, options)
    else:
        converge_shown(invocation, desired, options, Consent(allow_data_loss))


def _rows(invocation: Invocation, project: str, records: Iterable[Record]) -> Iterator[dict[str, Any]]:
    from vmmcompose.host.removal import allocated_bytes
    from vmmcompose.host.volumes import read_volumes

    paths = invocation.paths()
    mine = [record for record in records if record.spec.project == project]
    for name, image in read_volumes(paths, project).items():
        path = str(paths.volume(project, name))
        yield {
            "project": project,
            "name": name,
            "size_bytes": image.size_bytes,
            "allocated_bytes": allocated_bytes(path),
            "path": path,
            "vms": [_user(record, name) for record in mine if _attached(record, name)],
        }


def _attached(record: Record, name: str) -> bool:
    return any(one.volume == name for one in record.spec.volumes)


def _user(record: Record, name: str) -> dict[str, Any]:
    from vmmcompose.cli.ps import live_state

    (one,) = (one for one in record.spec.volumes if one.volume == name)
    state = live_state(record, frozenset())
    return {"vm": record.spec.vm, "state": state, "target": one.target, "mode": one.mode}
