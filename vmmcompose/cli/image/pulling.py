"""`vmm image pull`."""

import click

from vmmcompose.cli.complete import pullable_images
from vmmcompose.cli.invocation import Invocation, pass_invocation

_HELP = """Put a root filesystem into the store: downloaded, or built here where that is not possible.

In this order, and the first that works counts:

\b
github  the newest release `rootfs-...` of each repository in the setting release_repos, with a SHA-256
s3      the Ubuntu that Firecracker's own tests run on (ubuntu-XX.YY only; it is not signed); needs root
build   from the distribution's packages, as `vmm image build` does (tiny, debian-12); needs root

Without a NAME it is the image of the setting vm_defaults.image, else ubuntu-24.04. When the store has it,
nothing is done and nobody is asked. An interrupted download goes on where it ended.

\b
Examples:
  vmm image pull                          ubuntu-24.04, or vm_defaults.image
  vmm image pull debian-12 --from github
  vmm image pull ubuntu-24.04 --force     the newest one again
  vmm image list --remote                 what there is"""


@click.command(name="pull", help=_HELP)
@click.argument("name", required=False, default="", shell_complete=pullable_images)
@click.option(
    "--from", "origin", type=click.Choice(["github", "s3", "build"]), default=None, help="Only from there."
)
@click.option("--force", is_flag=True, help="Replace an image of that name.")
@pass_invocation
def pull_image(invocation: Invocation, name: str, origin: str | None, *, force: bool) -> None:
    """`vmm image pull`."""
    from vmmcompose.images import pull

    done = pull.pull_image(
        invocation.paths(), invocation.settings(), name, invocation.say, force=force, origin=origin or ""
    )
    click.echo(done.name)
