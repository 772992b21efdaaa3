"""`vmm start stop restart pause resume`: the spine with another power for some VMs."""

import click

from vmmcompose.cli import complete
from vmmcompose.cli.grace import grace_option
from vmmcompose.cli.invocation import Invocation, pass_invocation
from vmmcompose.cli.project import find_records
from vmmcompose.cli.targets import recorded, wanted
from vmmcompose.cli.timeouts import timeout_option, wait_timeout_option
from vmmcompose.model.desired import Power
from vmmcompose.model.options import Options

_wait = click.option("--wait/--no-wait", default=True, help="Wait until the VMs answer [default: wait].")
_vms = click.argument("vms", metavar="[VM]...", nargs=-1, shell_complete=complete.vms)


@click.command()
@_vms
@_wait
@timeout_option
@wait_timeout_option
@pass_invocation
def start(
    invocation: Invocation,
    vms: tuple[str, ...],
    timeout: float | None,
    wait_timeout: float | None,
    *,
    wait: bool,
) -> None:
    """Start stopped VMs, and what they depend on.

    Where the manifest has changed since, its changes are applied as `vmm up` would. Without names all VMs of
    the project. VMs without a manifest, and those of other projects by their names on the host, are started
    as their records know them.

    \b
    Examples:
      vmm start web           of the project in this folder, or the single VM of that name
      vmm start shop-web db   by their names on the host, from anywhere
      vmm -p shop start       all VMs of a project
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    options = Options(wait=wait, timeout_s=timeout, wait_timeout_s=wait_timeout)
    _converge(invocation, vms, "running", options)


@click.command()
@_vms
@grace_option
@pass_invocation
def stop(invocation: Invocation, vms: tuple[str, ...], grace: float | None) -> None:
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
@timeout_option
@wait_timeout_option
@grace_option
@pass_invocation
def restart(
    invocation: Invocation,
    vms: tuple[str, ...],
    timeout: float | None,
    wait_timeout: float | None,
    grace: float | None,
    *,
    wait: bool,
) -> None:
    """Shut VMs down and start them again, with what the manifest says now."""
    options = Options(restart=True, wait=wait, timeout_s=timeout, wait_timeout_s=wait_timeout, grace_s=grace)
    _converge(invocation, vms, "running", options)


@click.command()
@click.argument("vms", metavar="VM...", nargs=-1, required=True, shell_complete=complete.recorded_vms)
@pass_invocation
def pause(invocation: Invocation, vms: tuple[str, ...]) -> None:
    """Stop running VMs' CPUs where they are. Memory, address and forwards stay; `vmm resume` lets them run on.

    A paused VM answers nobody. In a project `vmm plan` shows it, and `vmm up` resumes it.
    """
    _by_hand(invocation, vms, "paused")


@click.command()
@click.argument("vms", metavar="VM...", nargs=-1, required=True, shell_complete=complete.recorded_vms)
@pass_invocation
def resume(invocation: Invocation, vms: tuple[str, ...]) -> None:
    """Let paused VMs run on."""
    from vmmcompose.cli.ps import live_state
    from vmmcompose.errors import VmmError

    for record in (record for name in vms for record in find_records(invocation, name)):
        state = live_state(record, frozenset())
        if state not in ("running", "paused"):
            raise VmmError(f"VM {record.spec.vm} is {state}, not paused", hint=f"vmm start {record.spec.vm}")
    _by_hand(invocation, vms, "running")


def _converge(invocation: Invocation, vms: tuple[str, ...], power: Power, options: Options) -> None:
    from dataclasses import replace

    from vmmcompose.cli.converging import Consent, converge_shown

    for target in wanted(invocation, vms, ending=power == "stopped"):
        chosen = replace(options, only=target.only)
        converge_shown(invocation, target.with_power(power), chosen, Consent(allowed=False))


def _by_hand(invocation: Invocation, vms: tuple[str, ...], power: Power) -> None:
    from vmmcompose.cli.converging import Consent, converge_shown

    for target in recorded(invocation, vms):
        options = Options(only=target.only, alone=True, wait=False, provision=False)
        converge_shown(invocation, target.with_power(power), options, Consent(allowed=False))
