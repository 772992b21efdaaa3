"""`vmm up` and `vmm down`."""

import click

from vmmcompose.cli import complete
from vmmcompose.cli.grace import grace_option
from vmmcompose.cli.invocation import Invocation, pass_invocation
from vmmcompose.cli.patience import lock_timeout_option
from vmmcompose.cli.project import (
    choose,
    load_desired,
    target_option,
    targets,
    with_everybody,
    with_power,
)
from vmmcompose.cli.scale import Scale, scale_option
from vmmcompose.cli.timeouts import timeout_option, wait_timeout_option
from vmmcompose.cli.watch import down_option
from vmmcompose.errors import UsageError
from vmmcompose.model.options import Options

_UP_HELP = """Make the host match the manifest: create, start, change and mend what differs.

Only what differs is touched; a second `vmm up` changes nothing. With VM names only those and what they
depend on; the name of a VM with replicas means all of them. Replicas beyond their number are deleted.
Provision scripts that a VM's disk has not seen are run, and run again when they failed. Waits until each VM
answers on SSH or passes its healthcheck; --no-wait leaves that out, and nothing else.

\b
Examples:
  vmm up                      the whole project
  vmm up web --timeout 300    one VM, on a slow host
  vmm up --dry-run            only show what would happen
  vmm up --recreate web       a new root disk from the image
  vmm up --scale web=3        three replicas, whatever the manifest says
  vmm up --watch              and keep it so, see `vmm watch --help`"""


@click.command(help=_UP_HELP)
@click.argument("vms", metavar="[VM]...", nargs=-1, shell_complete=complete.vms)
@target_option
@click.option("--wait/--no-wait", default=True, help="Wait until the VMs answer [default: wait].")
@timeout_option
@wait_timeout_option
@click.option("--recreate", is_flag=True, help="New root disks from the images; what is on them is lost.")
@click.option("--remove-orphans", is_flag=True, help="Delete VMs that the manifest no longer names.")
@scale_option
@click.option("--allow-data-loss", is_flag=True, help="Do not ask when data would be lost.")
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@click.option("--watch", is_flag=True, help="Go on as `vmm watch` does, with the VMs' consoles.")
@click.option("--logs/--no-logs", default=True, help="With --watch: show the consoles [default: yes].")
@down_option
@lock_timeout_option
@pass_invocation
def up(
    invocation: Invocation,
    vms: tuple[str, ...],
    target: tuple[str, ...],
    timeout: float | None,
    scale: Scale,
    wait_timeout: float | None,
    lock_timeout: float,
    *,
    wait: bool,
    recreate: bool,
    remove_orphans: bool,
    allow_data_loss: bool,
    dry_run: bool,
    watch: bool,
    logs: bool,
    down_on_exit: bool,
) -> None:
    """`vmm up`."""
    from vmmcompose.cli.converging import Consent, Terms, converge_shown, show_plan

    if down_on_exit and not watch:
        raise UsageError("--down-on-exit is for --watch")
    if dry_run and watch:
        raise UsageError("--dry-run and --watch exclude each other")

    names = (*vms, *targets(target))
    desired = load_desired(invocation, from_records=False, names=names, scale=scale)
    options = Options(
        only=choose(desired, names),
        recreate=recreate,
        remove_orphans=remove_orphans,
        remove_surplus=True,
        wait=wait,
        timeout_s=timeout,
        wait_timeout_s=wait_timeout,
    )
    if dry_run:
        show_plan(invocation, desired, options)
    elif watch:
        from vmmcompose.cli.watching import Manner, keep

        manner = Manner(
            logs=logs,
            down_on_exit=down_on_exit,
            allow_data_loss=allow_data_loss,
            patience_s=lock_timeout,
            whole=True,
        )
        keep(invocation, invocation.reading(names, scale), options, manner)
    else:
        converge_shown(
            invocation,
            desired,
            options,
            Consent(allow_data_loss),
            Terms(patience_s=lock_timeout, forwards=True),
        )


_DOWN_HELP = """Delete the project's VMs with their disks, addresses, forwards, logs and keys. Its volumes stay.

The last VM of the host takes the bridge, the rules and the changed kernel settings with it. VMs that the
manifest no longer names go as well, and so do those whose profiles are not chosen. Works without the manifest
when the project is named with -p.

\b
Examples:
  vmm down                    everything of this project
  vmm down --volumes          its volumes too, with all that is in them
  vmm down --keep-disks       only shut down: disks and addresses stay
  vmm -p shop down            from anywhere"""


@click.command(help=_DOWN_HELP)
@click.option("--keep-disks", is_flag=True, help="Shut down and keep the disks and addresses.")
@click.option("--volumes", is_flag=True, help="Delete the volumes too; what is in them is lost.")
@grace_option
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@lock_timeout_option
@pass_invocation
def down(
    invocation: Invocation,
    grace: float | None,
    lock_timeout: float,
    *,
    keep_disks: bool,
    volumes: bool,
    dry_run: bool,
) -> None:
    """`vmm down`."""
    from vmmcompose.cli.converging import Consent, Terms, converge_shown, show_plan

    if keep_disks and volumes:
        raise UsageError("--keep-disks and --volumes exclude each other")
    desired = with_power(with_everybody(load_desired(invocation, from_records=True)), (), "absent")
    options = Options(keep_disks=keep_disks, remove_orphans=True, grace_s=grace, delete_volumes=volumes)
    if dry_run:
        show_plan(invocation, desired, options)
    else:
        # Deleting is what the command is for; it is not asked about again.
        converge_shown(invocation, desired, options, Consent(allowed=True), Terms(patience_s=lock_timeout))
