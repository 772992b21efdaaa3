"""`vmm mount …`: the host directories in a VM."""

import click

from vmmcompose.cli import complete
from vmmcompose.cli.invocation import Invocation, pass_invocation, print_json
from vmmcompose.cli.mountchanges import diff, pull
from vmmcompose.cli.project import find_record
from vmmcompose.errors import UsageError, VmmError
from vmmcompose.model.record import Record

SCHEMA_VERSION = 1
_SYNC_HELP = """Give a mount what its host directory holds now.

A running VM goes on: a read-only mount is unmounted for a moment and gets another drive, one with `sync` is compared
with its directory. For any other writable mount the VM must be restarted: say --restart. Its image is made anew
then, and what the guest wrote to it is lost, so that is asked about. A stopped VM has the new content at its next
start.

\b
Examples:
  vmm mount sync web site
  vmm mount sync web site --restart"""


@click.group()
def mount() -> None:
    """List the host directories in a VM, renew them, and bring the guest's changes back."""


mount.add_command(diff)
mount.add_command(pull)


@mount.command(name="list")
@click.argument("vm", metavar="VM", shell_complete=complete.recorded_vms)
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a versioned shape.")
@pass_invocation
def list_mounts(invocation: Invocation, vm: str, *, as_json: bool) -> None:
    """List a VM's mounts, and whether their images are as the directories are now."""
    record = find_record(invocation, vm)
    rows = [_row(invocation, record, index) for index in range(len(record.spec.mounts))]
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, "mounts": rows})
        return
    from vmmcompose.render.tables import table

    cells = [
        (row["tag"], row["source"], row["mode"], row["sync"], row["target"], row["content"]) for row in rows
    ]
    click.echo(table(("TAG", "HOST", "MODE", "SYNC", "GUEST", "CONTENT"), cells), nl=False)


@mount.command(help=_SYNC_HELP)
@click.argument("vm", metavar="VM", shell_complete=complete.recorded_vms)
@click.argument("tags", metavar="TAG...", nargs=-1, required=True, shell_complete=complete.tags)
@click.option("--restart", is_flag=True, help="Restart the VM if it runs, with images made anew.")
@click.option("--allow-data-loss", is_flag=True, help="Do not ask when the guest's changes would be lost.")
@pass_invocation
def sync(
    invocation: Invocation, vm: str, tags: tuple[str, ...], *, restart: bool, allow_data_loss: bool
) -> None:
    """`vmm mount sync`."""
    from vmmcompose.cli.converging import Consent, converge_shown
    from vmmcompose.cli.ps import live_state
    from vmmcompose.cli.targets import recorded
    from vmmcompose.model.options import Options

    record = find_record(invocation, vm)
    known = [one.tag for one in record.spec.mounts]
    for tag in tags:
        if tag not in known:
            raise UsageError(
                f"VM {record.spec.vm} has no mount {tag!r}", hint=f"it has: {', '.join(known) or 'none'}"
            )
    state = live_state(record, frozenset())
    if state == "running" and not restart:
        _require_live(record, tags)
    if state not in ("running", "stopped"):
        verb = "resume" if state == "paused" else "start"
        raise VmmError(f"VM {record.spec.vm} is {state}", hint=f"vmm {verb} {record.spec.vm}")
    (target,) = recorded(invocation, (record.spec.name,))
    options = Options(
        only=target.only,
        alone=True,
        register=state == "stopped",
        rebuild_mounts=tags,
        provision=False,
        restart=restart and state == "running",
    )
    converge_shown(invocation, target.desired, options, Consent(allow_data_loss))


def _require_live(record: Record, tags: tuple[str, ...]) -> None:
    """Refuses mounts that no running guest can be given anew."""
    from vmmcompose.drivers import CAPABILITIES

    swaps = CAPABILITIES[record.spec.driver].swap_drive
    for mount in record.spec.mounts:
        live = swaps if mount.mode == "ro" else mount.sync != "none"
        if mount.tag in tags and not live:
            words = "read-only" if mount.mode == "ro" else "writable, without `sync`"
            raise VmmError(
                f"VM {record.spec.vm} runs, and its mount {mount.tag} is {words}",
                hint="say --restart, or stop it first",
            )


def _row(invocation: Invocation, record: Record, index: int) -> dict[str, str]:
    mount = record.spec.mounts[index]
    return {
        "tag": mount.tag,
        "source": mount.source,
        "mode": mount.mode,
        "sync": mount.sync,
        "target": mount.place,
        "content": _content(invocation, record.spec.name, index, record),
    }


def _content(invocation: Invocation, name: str, index: int, record: Record) -> str:
    from vmmcompose.host.sources import read_directory, read_filtered
    from vmmcompose.host.stored import read_mount

    mount = record.spec.mounts[index]
    image = read_mount(invocation.paths(), name, mount.tag)
    if image is None:
        return "not built yet"
    source = read_directory(mount.source, digest=not mount.ignore)
    if source.kind != "directory":
        return f"the directory is {source.kind}"
    digest = read_filtered(mount.source, mount.ignore) if mount.ignore else source.digest
    return "as the directory" if digest == image.digest else "the directory has changed since"
