"""`vmm ps` and `vmm list`: the records, and whether their processes live."""

import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click

from vmmcompose.cli import complete
from vmmcompose.cli.invocation import Invocation, pass_invocation, print_json
from vmmcompose.cli.project import kind_name, nearest, project_name, read_all
from vmmcompose.errors import UsageError
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Record, UnreadableRecord

SCHEMA_VERSION = 1
HEADER = ("NAME", "VM", "STATE", "HEALTH", "IP", "PORTS", "DRIVER", "IMAGE", "UPTIME")

_PS_HELP = """List the project's VMs; with --all, or outside of any project, all VMs of this host.

STATE is what is true now: running, paused, stopped, dead (its process is gone), interrupted (a vmm ended in
the middle; `vmm up` mends that), or what another vmm is doing with it: creating, starting, stopping,
deleting.

\b
Examples:
  vmm ps
  vmm ps --json | jq -r '.vms[] | select(.state == "running") | .ip'"""


@click.command(help=_PS_HELP)
@click.argument("vms", metavar="[VM]...", nargs=-1, shell_complete=complete.recorded_vms)
@click.option("-a", "--all", "everything", is_flag=True, help="The VMs of all projects.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a versioned shape.")
@pass_invocation
def ps(invocation: Invocation, vms: tuple[str, ...], *, everything: bool, as_json: bool) -> None:
    """`vmm ps`."""
    _list(invocation, vms, "" if everything else project_name(invocation), as_json=as_json)


@click.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a versioned shape.")
@pass_invocation
def list_all(invocation: Invocation, *, as_json: bool) -> None:
    """List the VMs of all projects on this host, or of one named with -p."""
    _list(invocation, (), invocation.project, as_json=as_json)


def live_state(record: Record, busy: frozenset[str]) -> str:
    """What is true now, from the record, its process and the VMs another vmm works on, by their names."""
    from vmmcompose.host.process import alive

    living = record.process is not None and alive(record.process)
    if record.state in ("running", "paused"):
        return record.state if living else "dead"
    if record.state == "stopped":
        return "running" if living else "stopped"
    return record.state if record.spec.name in busy else "interrupted"


def as_row(record: Record, state: str, now: float, paths: Paths) -> dict[str, Any]:
    """One VM as `ps --json` shows it."""
    spec = record.spec
    running = state in ("running", "paused")
    return {
        "name": spec.name,
        "vm": spec.vm,
        "project": spec.project,
        "state": state,
        "health": record.health if running else "",
        "provisioned": _provisioned(record, paths),
        "ip": spec.ip,
        "ports": [
            {"bind": f.bind, "host": f.host, "guest": f.guest, "protocol": f.protocol} for f in spec.forwards
        ],
        "restart": spec.restart,
        "driver": spec.driver,
        "image": spec.image,
        "pid": record.process.pid if record.process and running else None,
        "created": record.created,
        "started": record.started if running else "",
        "uptime_s": _uptime(record.started, now) if running else None,
    }


def _provisioned(record: Record, paths: Paths) -> bool | None:
    """Whether its disk has seen all its provision scripts; None where it has none, or none that may be seen."""
    if not record.spec.provision:
        return None
    from vmmcompose.guest.scripts import script_digest
    from vmmcompose.host.stored import read_disk

    disk = read_disk(paths, record.spec.name)
    done = disk.info.provisioned if disk is not None and disk.info is not None else ()
    return all(script_digest(script.content) in done for script in record.spec.provision)


def _list(invocation: Invocation, vms: tuple[str, ...], project: str, *, as_json: bool) -> None:
    records, unreadable = read_all(invocation)
    shown = [record for record in records if not project or record.spec.project == project]
    if vms:
        shown = _chosen(shown, vms)
    shown.sort(key=_order)
    now = time.time()
    busy, paths = busy_names(invocation, shown), invocation.paths()
    rows = [as_row(record, live_state(record, busy), now, paths) for record in shown]
    if as_json:
        broken = [{"name": u.name, "path": u.path, "why": u.why, "foreign": u.foreign} for u in unreadable]
        print_json({"schema_version": SCHEMA_VERSION, "vms": rows, "unreadable": broken})
        return
    from vmmcompose.render.tables import table

    click.echo(table(HEADER, [_cells(row) for row in rows]), nl=False)
    _tell_unreadable(invocation, unreadable)


def busy_names(invocation: Invocation, records: Iterable[Record]) -> frozenset[str]:
    """Names of the VMs that another vmm works on just now."""
    from vmmcompose.host.lockview import busy

    unsettled = [record for record in records if record.state not in ("running", "paused", "stopped")]
    return busy(invocation.paths(), unsettled) if unsettled else frozenset()


def _chosen(records: list[Record], vms: tuple[str, ...]) -> list[Record]:
    known = {name for record in records for name in _names(record)}
    for name in vms:
        if name not in known:
            raise UsageError(
                f"there is no VM {name!r} here", hint=nearest(name, known) or "`vmm list` shows all"
            )
    return [record for record in records if _names(record).intersection(vms)]


def _order(record: Record) -> tuple[str, str, int]:
    spec = record.spec
    return spec.project, spec.replica_of or spec.vm, spec.replica


def _names(record: Record) -> set[str]:
    """What this VM is called, by itself or together with the other replicas."""
    spec = record.spec
    return {spec.vm, spec.name, spec.replica_of, kind_name(spec)} - {""}


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    from vmmcompose.render.tables import ago

    uptime = "" if row["uptime_s"] is None else ago(row["uptime_s"])
    ports = ", ".join(_port(port) for port in row["ports"])
    return (
        row["name"],
        row["vm"],
        row["state"],
        row["health"],
        row["ip"],
        ports,
        row["driver"],
        row["image"],
        uptime,
    )


def _port(port: dict[str, Any]) -> str:
    bind = f"{port['bind']}:" if port["bind"] else ""
    protocol = "" if port["protocol"] == "tcp" else f"/{port['protocol']}"
    return f"{bind}{port['host']}->{port['guest']}{protocol}"


def _uptime(started: str, now: float) -> int | None:
    try:
        return max(0, int(now - datetime.fromisoformat(started).timestamp()))
    except ValueError:
        return None


def _tell_unreadable(invocation: Invocation, unreadable: Iterable[UnreadableRecord]) -> None:
    for found in unreadable:
        if found.foreign:
            invocation.say(f"{found.name}: a VM of baremetalvmm, left alone ({found.path})")
        else:
            invocation.say(f"{found.name}: its record cannot be read: {found.why} ({found.path})")
