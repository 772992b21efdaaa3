"""`vmm image build`."""

import click

from vmmcompose.cli.invocation import Invocation, pass_invocation

RECIPES = ("tiny", "debian-12", "ubuntu-24.04")

_BUILD_HELP = """Build a root filesystem from a distribution's packages. Needs root.

\b
tiny          busybox and dropbear, about 20 MiB; answers on SSH in seconds, also under emulation, and serves
              the mount called `site` on port 80
debian-12     Debian with systemd and an SSH server, made with mmdebstrap
ubuntu-24.04  the same of Ubuntu; VMM_UBUNTU_MIRROR names another mirror than Ubuntu's own

\b
Examples:
  vmm image build tiny
  vmm image build debian-12 --name base --force
  VMM_UBUNTU_MIRROR=http://mirror.example/ubuntu vmm image build ubuntu-24.04"""


@click.command(name="build", help=_BUILD_HELP)
@click.argument("recipe", type=click.Choice(RECIPES))
@click.option("--name", default="", help="What to call it; by default as the recipe.")
@click.option("--force", is_flag=True, help="Replace an image of that name.")
@pass_invocation
def build_image(invocation: Invocation, recipe: str, name: str, *, force: bool) -> None:
    """`vmm image build`."""
    from vmmcompose.images import build

    chosen = build.RECIPES[recipe]
    done = build.build(invocation.paths(), chosen, name or recipe, invocation.say, force=force)
    click.echo(done.name)
