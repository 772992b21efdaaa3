"""`vmm start`, `vmm stop`, `vmm restart`: the spine with another power for some VMs."""

import click

from vmmcompose.cli.invocation import Invocation, Seconds, pass_invocation
from vmmcompose.cli.project import choose, load_desired, with_power
from vmmcompose.model.desired import Power
from vmmcompose.model.options import Options

_grace = click.option(
    "--grace",
    type=Seconds(min=0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a guest may take to shut down before it is ended.",
)
_wait = click.option("--wait/--no-wait", default=True, help="Wait until the VMs answer [default: wait].")
_timeout = click.option(
    "--timeout",
    type=Seconds(min=0, min_open=True),
    metavar="SECONDS",
    help="How long one VM may take until it answers [default: its healthcheck's timeout, or 120].",
)
_vms = click.argument("vms", metavar="[VM]...", nargs=-1)


@click.command()
@_vms
@_wait
@_timeout
@pass_invocation
def start(invocation: Invocation, vms: tuple[str, ...], timeout: float | None, *, wait: bool) -> None:
    """Start stopped VMs, and what they depend on.

    Where the manifest has changed since, its changes are applied as `vmm up` would. Without names all VMs of
    the project. Works without the manifest when the project is named with -p.
    """
    _converge(invocation, vms, "running", Options(wait=wait, timeout_s=timeout))


@click.command()
@_vms
@_grace
@pass_invocation
def stop(invocation: Invocation, vms: tuple[str, ...], grace: float) -> None:
    """Shut VMs down. Disks, addresses and records stay; `vmm start` or `vmm up` brings them back.

    \b
    Examples:
      vmm stop            all VMs of the project
      vmm stop web db     two of them
      vmm -p shop stop    from anywhere
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    _converge(invocation, vms, "stopped", Options(grace_s=grace))


@click.command()
@_vms
@_wait
@_timeout
@_grace
@pass_invocation
def restart(
    invocation: Invocation, vms: tuple[str, ...], timeout: float | None, grace: float, *, wait: bool
) -> None:
    """Shut VMs down and start them again, with what the manifest says now."""
    _converge(invocation, vms, "running", Options(restart=True, wait=wait, timeout_s=timeout, grace_s=grace))


def _converge(invocation: Invocation, vms: tuple[str, ...], power: Power, options: Options) -> None:
    from dataclasses import replace

    from vmmcompose.cli.converging import Consent, converge_shown

    desired = load_desired(invocation, from_records=True)
    chosen = choose(desired, vms)
    wanted = with_power(desired, chosen, power)
    converge_shown(invocation, wanted, replace(options, only=chosen), Consent(allowed=False))
