"""`vmm watch`, and `vmm up --watch`."""

import click

from vmmcompose.cli import complete
from vmmcompose.cli.invocation import Invocation, pass_invocation
from vmmcompose.cli.patience import lock_timeout_option
from vmmcompose.cli.project import choose, load_desired, target_option, targets
from vmmcompose.cli.timeouts import timeout_option
from vmmcompose.errors import UsageError
from vmmcompose.model.options import Options

down_option = click.option("--down-on-exit", is_flag=True, help="Delete the project's VMs at the end.")

_HELP = """Keep the host as the manifest says, until Ctrl-C; the VMs run on after that.

A saved manifest is applied at once; so is any file that it is made of. One with problems is shown and changes
nothing. A VM that ends is started again as its `restart` says, later each time when it keeps crashing. Links and
rules that somebody deletes are made anew. What is stopped, paused or deleted by hand stays so. Data is never lost
without --allow-data-loss. On a terminal: r looks again, l shows the consoles, q ends.

\b
Examples:
  vmm watch                   keep what runs, follow the manifest
  vmm up --watch              bring everything up first, and show the consoles
  vmm watch --once            look once, for scripts
  vmm watch --json            what happens, a JSON object per line"""


@click.command(help=_HELP)
@click.argument("vms", metavar="[VM]...", nargs=-1, shell_complete=complete.vms)
@target_option
@click.option(
    "--once", is_flag=True, help="Look once and end, with an error if the host could not be made to match."
)
@click.option("--json", "as_json", is_flag=True, help="Events on standard output, a JSON object per line.")
@click.option("--wait/--no-wait", default=True, help="At first wait until the VMs answer [default: wait].")
@timeout_option
@click.option("--logs/--no-logs", default=False, help="Show the VMs' consoles [default: no].")
@down_option
@click.option("--remove-orphans", is_flag=True, help="Delete VMs that the manifest no longer names.")
@click.option("--allow-data-loss", is_flag=True, help="Apply changes that lose data as well.")
@lock_timeout_option
@pass_invocation
def watch(
    invocation: Invocation,
    vms: tuple[str, ...],
    target: tuple[str, ...],
    timeout: float | None,
    lock_timeout: float,
    *,
    once: bool,
    as_json: bool,
    wait: bool,
    logs: bool,
    down_on_exit: bool,
    remove_orphans: bool,
    allow_data_loss: bool,
) -> None:
    """`vmm watch`."""
    from vmmcompose.cli.watching import Manner, keep
    from vmmcompose.watch.reading import read_apart

    if once and (down_on_exit or logs):
        option = "--down-on-exit" if down_on_exit else "--logs"
        raise UsageError(f"--once and {option} exclude each other", hint="--once looks once and ends at once")

    names = (*vms, *targets(target))
    read_apart(invocation.settings(), invocation.reading(names))
    options = Options(
        only=choose(load_desired(invocation, from_records=False, names=names), names),
        remove_orphans=remove_orphans,
        remove_surplus=True,
        wait=wait,
        timeout_s=timeout,
    )
    manner = Manner(
        once=once,
        as_json=as_json,
        logs=logs,
        down_on_exit=down_on_exit,
        allow_data_loss=allow_data_loss,
        patience_s=lock_timeout,
    )
    keep(invocation, invocation.reading(names), options, manner)
