"""`vmm mount diff` and `vmm mount pull`: what the two sides of a mount have changed, and the guest's brought back."""

from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from vmmcompose.cli import complete
from vmmcompose.cli.invocation import Invocation, pass_invocation, print_json
from vmmcompose.cli.project import find_record
from vmmcompose.errors import UsageError, VmmError

if TYPE_CHECKING:
    from vmmcompose.host.sync.session import Session
    from vmmcompose.host.sync.stopped import StoppedMount
    from vmmcompose.model.mountsync import Report

SCHEMA_VERSION = 1
_DIFF_HELP = """Show what differs between a mount's host directory and the guest, be it running or stopped.

For each path it says what either side did since both were last in step: when the image was made, or something was
carried over. Files are compared by size, time and mode.

\b
Examples:
  vmm mount diff web site
  vmm mount diff web site --json"""
_PULL_HELP = """Bring what a guest, running or stopped, changed in a mount back to the host directory.

Files that the host has not changed since are replaced, and deleted where the guest deleted them. Where both sides
changed something the host's stays, and the command fails in the end; --force takes the guest's.

Devices, pipes, sockets and links that lead out of the directory stay in the guest; setuid bits are taken off. What
comes belongs to the directory's owner.

\b
Examples:
  vmm mount pull web site
  vmm mount pull web site --force"""


@click.command(help=_DIFF_HELP)
@click.argument("vm", metavar="VM", shell_complete=complete.recorded_vms)
@click.argument("tag", metavar="TAG", shell_complete=complete.tags)
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a versioned shape.")
@pass_invocation
def diff(invocation: Invocation, vm: str, tag: str, *, as_json: bool) -> None:
    """`vmm mount diff`."""
    with _session(invocation, vm, tag) as session:
        found = session.diff()
    if as_json:
        rows = [{**asdict(one), "path": _text(one.path), "conflict": one.conflict} for one in found]
        print_json({"schema_version": SCHEMA_VERSION, "differences": rows})
        return
    from vmmcompose.render.tables import table

    if found:
        cells = [(one.host, one.guest, _shown(one.path)) for one in found]
        click.echo(table(("HOST", "GUEST", "PATH"), cells), nl=False)
    else:
        invocation.say(f"{vm}: mount {tag} is in step with its directory")


@click.command(help=_PULL_HELP)
@click.argument("vm", metavar="VM", shell_complete=complete.recorded_vms)
@click.argument("tag", metavar="TAG", shell_complete=complete.tags)
@click.option("--force", is_flag=True, help="Overwrite what the host changed too.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a versioned shape.")
@pass_invocation
def pull(invocation: Invocation, vm: str, tag: str, *, force: bool, as_json: bool) -> None:
    """`vmm mount pull`."""
    with _session(invocation, vm, tag) as session:
        report = session.pull(force=force)
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, **_as_json(report)})
    else:
        invocation.say(f"{vm}: mount {tag}: {report.fetched} fetched, {report.deleted} deleted")
        for text in report.skipped:
            invocation.say(f"left out: {_shown(text)}")
    if report.conflicts:
        shown = [f"  {_shown(path)}" for path in report.conflicts]
        raise VmmError(
            f"VM {vm}: both sides changed the same files of mount {tag}; the host's stay",
            hint="\n".join((*shown, "`--force` takes the guest's")),
        )


def _session(invocation: Invocation, vm: str, tag: str) -> AbstractContextManager["Session | StoppedMount"]:
    from vmmcompose.cli.ps import live_state
    from vmmcompose.cli.targets import require_running
    from vmmcompose.host.sync.session import Session
    from vmmcompose.host.sync.stopped import StoppedMount

    record = find_record(invocation, vm)
    mount = next((one for one in record.spec.mounts if one.tag == tag), None)
    if mount is None:
        known = ", ".join(one.tag for one in record.spec.mounts) or "none"
        raise UsageError(f"VM {record.spec.vm} has no mount {tag!r}", hint=f"it has: {known}")
    if mount.mode == "ro":
        raise UsageError(
            f"mount {tag} of VM {record.spec.vm} is read-only", hint="its guest can change nothing"
        )
    if live_state(record, frozenset()) == "stopped":
        return StoppedMount(invocation.paths(), record.spec, mount)
    require_running(record, "its mount cannot be read")
    return Session(invocation.paths(), record.spec, mount)


def _as_json(report: "Report") -> dict[str, object]:
    return {
        "fetched": report.fetched,
        "deleted": report.deleted,
        "bytes": report.bytes,
        "conflicts": [_text(path) for path in report.conflicts],
        "skipped": [_text(text) for text in report.skipped],
    }


def _text(path: str) -> str:
    """A name as text that can be printed: bytes that are no text are escaped."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _shown(path: str) -> str:
    """A name for a terminal: what is not to be printed is escaped."""
    plain = _text(path)
    return (
        plain
        if plain.isprintable()
        else "".join(char if char.isprintable() else ascii(char)[1:-1] for char in plain)
    )
