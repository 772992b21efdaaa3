"""`vmm kernel delete` and `vmm kernel default`."""

import click

from vmmcompose.cli import complete
from vmmcompose.cli.invocation import Invocation, pass_invocation

_DELETE_HELP = """Delete kernels. One that a VM boots is refused.

\b
Examples:
  vmm kernel delete v5.10 test"""
_DEFAULT_HELP = """Say which kernel `default` stands for. VMs that boot `default` have it from their next start on.

\b
Examples:
  vmm kernel default v6.1"""


@click.command(name="delete", help=_DELETE_HELP)
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete.kernels)
@pass_invocation
def delete_kernel(invocation: Invocation, names: tuple[str, ...]) -> None:
    """`vmm kernel delete`."""
    from vmmcompose.host import store
    from vmmcompose.images import kernelstore

    paths = invocation.paths()
    for name in names:
        was_default = store.default_kernel(paths) == name
        kernelstore.delete_kernel(paths, name, invocation.say)
        invocation.say(f"{name}: deleted")
        if was_default:
            invocation.say("there is no default kernel now; `vmm kernel default NAME` makes one")


@click.command(name="default", help=_DEFAULT_HELP)
@click.argument("name", metavar="NAME", shell_complete=complete.kernels)
@pass_invocation
def default_kernel(invocation: Invocation, name: str) -> None:
    """`vmm kernel default`."""
    from vmmcompose.images import kernelstore

    kernelstore.set_default(invocation.paths(), name, invocation.say)
    invocation.say(f"{name} is the default kernel")
