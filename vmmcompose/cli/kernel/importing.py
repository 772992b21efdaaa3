"""`vmm kernel import`."""

import os

import click

from vmmcompose.cli.invocation import Invocation, pass_invocation
from vmmcompose.errors import UsageError

_FROM_DISTRIBUTION = "the distribution's"

_IMPORT_HELP = """Put a kernel into the store: from the distribution's packages, or from a file.

--from-package fetches Debian's or Ubuntu's small kernel for virtual machines with apt, without installing
it, and makes an initrd of busybox and that kernel's own virtio drivers. With a NAME it takes that package.

PATH is an x86-64 ELF `vmlinux` or a `bzImage`. Firecracker boots the ELF form, which is extracted from a
bzImage where that is possible; qemu boots both. A kernel without built-in virtio drivers needs --initrd.

The first kernel imported becomes `default`.

\b
Examples:
  vmm kernel import --from-package
  vmm kernel import --from-package linux-image-amd64 --module nfs
  vmm kernel import ./vmlinux-6.1 --name small"""


@click.command(name="import", help=_IMPORT_HELP)
@click.argument("path", required=False, type=click.Path())
@click.option(
    "--from-package",
    "package",
    metavar="[NAME]",
    is_flag=False,
    flag_value=_FROM_DISTRIBUTION,
    help="Fetch a kernel package instead of taking a file.",
)
@click.option("--initrd", type=click.Path(), help="The initrd that belongs to the file.")
@click.option("--name", default="", help="What to call it; by default its version or the file's name.")
@click.option("--module", "modules", multiple=True, help="A further module for the guest (repeatable).")
@click.option("--force", is_flag=True, help="Replace a kernel of that name.")
@pass_invocation
def import_kernel(
    invocation: Invocation,
    path: str | None,
    package: str | None,
    initrd: str | None,
    name: str,
    modules: tuple[str, ...],
    *,
    force: bool,
) -> None:
    """`vmm kernel import`."""
    from pathlib import Path

    from vmmcompose.images import kernels

    if package and package != _FROM_DISTRIBUTION and path is None and os.sep in package:
        raise UsageError(f"{package!r} is no package's name", hint=f"vmm kernel import {package}")
    if (path is None) == (package is None):
        raise UsageError("what is to be imported?", hint="give either --from-package or a kernel's PATH")
    if package is not None:
        if initrd:
            raise UsageError("--initrd goes with a kernel's PATH", hint="a package's initrd is made here")
        wanted = "" if package == _FROM_DISTRIBUTION else package
        done = kernels.import_package(
            invocation.paths(), invocation.say, package=wanted, name=name, modules=modules, force=force
        )
    else:
        if modules:
            raise UsageError("--module goes with --from-package", hint="a file has no modules beside it")
        done = kernels.import_file(
            invocation.paths(),
            Path(str(path)),
            invocation.say,
            initrd_file=Path(initrd) if initrd else None,
            name=name,
            force=force,
        )
    click.echo(done.name)
