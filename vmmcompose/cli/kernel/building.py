"""`vmm kernel build`."""

import os

import click

from vmmcompose.cli.invocation import Invocation, pass_invocation

_HELP = """Build a kernel in which everything a guest needs is built in: it boots without modules and initrd.

The source is the newest patch of the series --version names, from kernel.org with its checksum verified, or the
distribution's linux-source package, or a tarball. Every option that a profile asks for is checked afterwards.

\b
minimal   what systemd, an SSH server and vmm's devices need: small and quick
default   beside that containers, nftables and iptables, more file systems, device mapper
debug     beside that lockdep, KASAN, ftrace, debug information

\b
Examples:
  vmm kernel build --version 6.1 --name v6.1
  vmm kernel build --source package --profile minimal --name small
  vmm kernel build --source ./linux-6.12.9.tar.xz --name test --jobs 8"""


@click.command(name="build", help=_HELP)
@click.option("--version", "series", metavar="SERIES", default="", help="6.1, or exactly 6.1.158.")
@click.option("--name", metavar="NAME", help="What to call it [default: linux-SERIES-PROFILE].")
@click.option(
    "--profile", type=click.Choice(["default", "minimal", "debug"]), default="default", show_default=True
)
@click.option("--source", metavar="TARBALL|package", default="", help="Instead of kernel.org.")
@click.option("--jobs", type=click.IntRange(1), help="Compilers at once [default: as many as CPUs].")
@click.option("--force", is_flag=True, help="Replace a kernel of that name.")
@click.option("--print-version", is_flag=True, help="Only say which version kernel.org has; build nothing.")
@pass_invocation
def build_kernel(
    invocation: Invocation,
    series: str,
    name: str | None,
    profile: str,
    source: str,
    jobs: int | None,
    *,
    force: bool,
    print_version: bool,
) -> None:
    """`vmm kernel build`."""
    from typing import cast

    from vmmcompose.images import kernelbuild

    if print_version:
        from vmmcompose.images.kernelsource import newest

        click.echo(newest(series).version)
        return
    label = series or ("package" if source == "package" else os.path.basename(source).split(".tar")[0])
    order = kernelbuild.Order(
        name=name or f"linux-{label.removeprefix('linux-')}-{profile}",
        series=series,
        source=source if source in ("", "package") else os.path.abspath(source),
        profile=cast("kernelbuild.Profile", profile),
        jobs=jobs or 0,
        force=force,
    )
    click.echo(kernelbuild.build_kernel(invocation.paths(), order, invocation.say).name)
