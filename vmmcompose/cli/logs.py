"""`vmm logs` and `vmm console`: what guests printed on their serial consoles."""

import sys
from collections.abc import Sequence
from typing import Literal

import click

from vmmcompose.cli import complete
from vmmcompose.cli.invocation import Invocation, color_on, pass_invocation
from vmmcompose.cli.project import find_record, find_records, project_name, read_all
from vmmcompose.errors import UsageError
from vmmcompose.model.record import Record

_follow = click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C.")
_lines = click.option(
    "-n", "--lines", type=click.IntRange(min=0), metavar="N", help="Only the last N lines [default: all]."
)
_driver = click.option("--driver", "which", flag_value="driver", help="What the VMM process itself printed.")
_provision = click.option(
    "--provision", "which", flag_value="provision", help="What the provision scripts printed."
)
Which = Literal["console", "driver", "provision"]

_LOGS_HELP = """Show what guests printed on their serial consoles; without names, of all VMs of the project.

Lines of several VMs carry the VM's name. On a terminal, control sequences that a guest printed are
left out.

\b
Examples:
  vmm logs web -n 50
  vmm logs -f web db
  vmm logs --driver web
  vmm logs --provision web"""


@click.command(help=_LOGS_HELP)
@click.argument("vms", metavar="[VM]...", nargs=-1, shell_complete=complete.recorded_vms)
@_follow
@_lines
@_driver
@_provision
@pass_invocation
def logs(
    invocation: Invocation, vms: tuple[str, ...], lines: int | None, which: Which | None, *, follow: bool
) -> None:
    """`vmm logs`."""
    named = {record.spec.name: record for vm in vms for record in find_records(invocation, vm)}
    records = list(named.values()) if vms else _of_project(invocation)
    _show(invocation, records, lines, which or "console", follow=follow)


_CONSOLE_HELP = """Show what one VM printed on its serial console since its last start.

\b
Examples:
  vmm console web           the last 100 lines
  vmm console web -f        and what comes
  vmm console web --full    everything"""
CONSOLE_LINES = 100


@click.command(help=_CONSOLE_HELP)
@click.argument("vm", metavar="VM", shell_complete=complete.recorded_vms)
@_follow
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=CONSOLE_LINES,
    show_default=True,
    metavar="N",
    help="Only the last N lines.",
)
@click.option("--full", is_flag=True, help="All lines.")
@pass_invocation
def console(invocation: Invocation, vm: str, lines: int, *, follow: bool, full: bool) -> None:
    """`vmm console`."""
    record = find_record(invocation, vm, any_replica=True)
    _show(invocation, [record], None if full else lines, "console", follow=follow)


def _of_project(invocation: Invocation) -> list[Record]:
    project = project_name(invocation)
    if not project:
        raise UsageError("which VM?", hint="name one, or go into a project's folder; `vmm list` shows all")
    records = [record for record in read_all(invocation)[0] if record.spec.project == project]
    if not records:
        raise UsageError(f"project {project} has no VMs on this host", hint="vmm up")
    return records


def _show(
    invocation: Invocation, records: Sequence[Record], lines: int | None, which: Which, *, follow: bool
) -> None:
    from vmmcompose.cli.follow import Source, show

    paths = invocation.paths()
    path = {"console": paths.console, "driver": paths.driver_log, "provision": paths.provision_log}[which]
    sources = [Source(record.spec.vm, str(path(record.spec.name))) for record in records]
    show(
        sources,
        lines=lines,
        follow=follow,
        out=sys.stdout.buffer,
        clean=sys.stdout.isatty(),
        color=color_on(),
    )
