"""`vmm image build`."""

import click

from vmmcompose.cli.invocation import Invocation, pass_invocation

_RECIPES = ("tiny", "debian-12")

_BUILD_HELP = """Build a root filesystem from the distribution's packages. Needs root.

\b
tiny       busybox and dropbear, about 20 MiB; answers on SSH in seconds, also under emulation, and serves
           the mount called `site` on port 80
debian-12  Debian with systemd and an SSH server, made with mmdebstrap

\b
Examples:
  vmm image build tiny
  vmm image build debian-12 --name base --force"""


@click.command(name="build", help=_BUILD_HELP)
@click.argument("recipe", type=click.Choice(_RECIPES))
@click.option("--name", default="", help="What to call it; by default as the recipe.")
@click.option("--force", is_flag=True, help="Replace an image of that name.")
@pass_invocation
def build_image(invocation: Invocation, recipe: str, name: str, *, force: bool) -> None:
    """`vmm image build`."""
    from vmmcompose.images import build

    make = build.build_tiny if recipe == "tiny" else build.build_debian
    done = make(invocation.paths(), invocation.say, name=name or recipe, force=force)
    click.echo(done.name)
