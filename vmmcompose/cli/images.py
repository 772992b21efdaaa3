"""`vmm kernel …` and `vmm image …`: what VMs are booted from."""

import os
from typing import Any

import click

from vmmcompose.cli.invocation import Invocation, pass_invocation, print_json
from vmmcompose.errors import UsageError

SCHEMA_VERSION = 1
_FROM_DISTRIBUTION = "the distribution's"
_RECIPES = ("tiny", "debian-12")

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

_BUILD_HELP = """Build a root filesystem from the distribution's packages. Needs root.

\b
tiny       busybox and dropbear, about 20 MiB; answers on SSH in seconds, also under emulation, and serves
           the mount called `site` on port 80
debian-12  Debian with systemd and an SSH server, made with mmdebstrap

\b
Examples:
  vmm image build tiny
  vmm image build debian-12 --name base --force"""


@click.group()
def kernel() -> None:
    """List and import kernels."""


@click.group()
def image() -> None:
    """List and build root filesystems."""


@kernel.command(name="import", help=_IMPORT_HELP)
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


@kernel.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a versioned shape.")
@pass_invocation
def list_kernels(invocation: Invocation, *, as_json: bool) -> None:
    """List the kernels in the store."""
    from vmmcompose.host import store

    paths = invocation.paths()
    found = store.list_kernels(paths)
    default = store.default_kernel(paths)
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "default": name == default,
            "bzimage": item.bzimage,
            "vmlinux": item.vmlinux,
            "initrd": item.initrd,
            **_known(store.read_info(paths.kernel(name) / store.KERNEL_INFO), "source", "version", "created"),
        }
        for name, item in found.items()
        if name != "default"
    ]
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, "kernels": rows})
        return
    cells = [(_marked(row), _forms(row), row["source"], row["version"], row["created"]) for row in rows]
    _print_table(("NAME", "FORMS", "SOURCE", "VERSION", "CREATED"), cells)


@image.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a versioned shape.")
@pass_invocation
def list_images(invocation: Invocation, *, as_json: bool) -> None:
    """List the root filesystems in the store."""
    from vmmcompose.host import store

    paths = invocation.paths()
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "path": item.path,
            "size_bytes": item.size_bytes,
            "allocated_bytes": os.stat(item.path).st_blocks * 512,
            "digest": item.digest,
            **_known(store.read_info(paths.image_info(name)), "source", "created"),
        }
        for name, item in store.list_images(paths).items()
    ]
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, "images": rows})
        return
    from vmmcompose.render.tables import mib

    cells = [
        (row["name"], mib(row["size_bytes"]), mib(row["allocated_bytes"]), row["source"], row["created"])
        for row in rows
    ]
    _print_table(("NAME", "SIZE", "ALLOCATED", "SOURCE", "CREATED"), cells)


@image.command(name="build", help=_BUILD_HELP)
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


def _known(info: dict[str, Any], *keys: str) -> dict[str, str]:
    """These fields of a sidecar; empty where it does not have them."""
    return {key: str(info.get(key, "")) for key in keys}


def _marked(row: dict[str, Any]) -> str:
    return f"{row['name']} (default)" if row["default"] else str(row["name"])


def _forms(row: dict[str, Any]) -> str:
    forms = (("bzImage", row["bzimage"]), ("vmlinux", row["vmlinux"]), ("initrd", row["initrd"]))
    return ", ".join(form for form, path in forms if path)


def _print_table(header: tuple[str, ...], cells: list[tuple[Any, ...]]) -> None:
    from vmmcompose.render.tables import table

    click.echo(table(header, [tuple(str(cell) for cell in row) for row in cells]), nl=False)
