"""`vmm doctor`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from vmmcompose.cli.invocation import Invocation, color_on, pass_invocation, print_json
from vmmcompose.errors import HostUnfit

if TYPE_CHECKING:
    from vmmcompose.host.doctor import Check

_COLORS = {"ok": "32", "warn": "33", "fail": "31"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a versioned shape.")
@pass_invocation
def doctor(invocation: Invocation, *, as_json: bool) -> None:
    """Check what this host can do: KVM, programs and versions, network, space, images and kernels.

    Each line says ok, warn or fail, and what to do. Exits with 69 when no VM could run here. Changes nothing.
    """
    from vmmcompose.host.doctor import run_checks

    checks = run_checks(invocation.settings(), invocation.paths())
    if as_json:
        print_json({"schema_version": 1, "checks": [asdict(check) for check in checks]})
    else:
        _print(checks, color=color_on())
    failed = [check.name for check in checks if check.status == "fail"]
    if failed:
        raise HostUnfit(
            f"this host cannot run VMs yet: {', '.join(failed)}", hint="the lines above say what to do"
        )


def _print(checks: "Sequence[Check]", *, color: bool) -> None:
    wide = max(len(check.name) for check in checks)
    for check in checks:
        status = check.status.ljust(4)
        shown = f"\033[{_COLORS[check.status]}m{status}\033[0m" if color else status
        click.echo(f"{shown}  {check.name.ljust(wide)}  {check.detail}")
        if check.hint:
            click.echo(f"{' ' * (wide + 8)}-> {check.hint}")
