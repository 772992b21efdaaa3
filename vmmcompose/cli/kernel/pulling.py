"""`vmm kernel pull`."""

import click

from vmmcompose.cli.invocation import Invocation, pass_invocation

_HELP = """Put a kernel into the store: downloaded, or from the distribution's packages where that is not possible.

In this order, and the first that works counts:

\b
github  the newest release `kernel-...` of each repository in the setting release_repos, with a SHA-256
s3      the newest kernel that Firecracker's own tests run on (it is not signed)
build   the distribution's kernel package, as `vmm kernel import --from-package` does

NAME is what it is called in the store. One like 6.1 or 6.1.150 says which version, too: the newest of that
series, or that one; the distribution's package is not asked then. Without a NAME it is the newest, called by its
version, and nothing is done where there is a default kernel. When the store has it, nobody is asked.

\b
Examples:
  vmm kernel pull
  vmm kernel pull 6.1 --from s3
  vmm kernel list --remote                what there is"""


@click.command(name="pull", help=_HELP)
@click.argument("name", required=False, default="")
@click.option(
    "--from", "origin", type=click.Choice(["github", "s3", "build"]), default=None, help="Only from there."
)
@click.option("--force", is_flag=True, help="Replace a kernel of that name.")
@pass_invocation
def pull_kernel(invocation: Invocation, name: str, origin: str | None, *, force: bool) -> None:
    """`vmm kernel pull`."""
    from vmmcompose.images import pull

    done = pull.pull_kernel(
        invocation.paths(), invocation.settings(), name, invocation.say, force=force, origin=origin or ""
    )
    click.echo(done.name)
