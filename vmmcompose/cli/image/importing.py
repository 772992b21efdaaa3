"""`vmm image import`."""

from pathlib import Path

import click

from vmmcompose.cli.invocation import Invocation, pass_invocation

_HELP = """Make an image of a container image or of a root filesystem. Needs root.

\b
REF             an image of docker or podman, which pulls it where it is missing
--archive FILE  what `docker save` or `podman save` wrote, or an OCI layout as a tar or a folder; no engine is
                needed. REF chooses among several images in it
--rootfs FILE   an ext4, a squashfs, or a tar, as it is or compressed

What the image lacks to be a guest (an init system, an SSH server, the serial console) is put in. `--init` says how:

\b
auto     systemd or openrc, whichever the image has or can install with apt or apk
systemd  Debian and Ubuntu; apt fetches what is missing
openrc   Alpine; apk fetches what is missing
tiny     busybox and dropbear, added to any image; nothing of the image is run
none     nothing is put in; an ext4 is always taken as it is

Entrypoint, command and environment of a container image are told by `vmm image list --json`, and not run.

\b
Examples:
  vmm image import debian:12 --name debian
  docker save shop:2 | ssh host 'cat >shop.tar; vmm image import --archive shop.tar --name shop --init tiny'
  vmm image import --archive layout/ shop:2 --name shop
  vmm image import --rootfs rootfs.tar.zst --name base --size 2GiB"""
_FILE = click.Path(path_type=Path)


@click.command(name="import", help=_HELP)
@click.argument("reference", metavar="[REF]", default="")
@click.option("--archive", type=_FILE, metavar="FILE", help="An archive of images.")
@click.option("--rootfs", type=_FILE, metavar="FILE", help="A root filesystem.")
@click.option("--name", required=True, metavar="NAME", help="What to call the image.")
@click.option("--size", "size_text", metavar="SIZE", help="Size of the image; by default what it needs.")
@click.option("--engine", type=click.Choice(("docker", "podman")), help="By default whichever answers.")
@click.option(
    "--init",
    type=click.Choice(("auto", "systemd", "openrc", "tiny", "none")),
    default="auto",
    show_default=True,
    help="The init system that the guest shall have.",
)
@click.option("--force", is_flag=True, help="Replace an image of that name.")
@pass_invocation
def import_image(
    invocation: Invocation,
    reference: str,
    archive: Path | None,
    rootfs: Path | None,
    name: str,
    size_text: str | None,
    engine: str | None,
    init: str,
    *,
    force: bool,
) -> None:
    """`vmm image import`."""
    from vmmcompose.images import importing

    wanted = importing.Wanted(name, _size(size_text), init, force)
    paths, say = invocation.paths(), invocation.say
    _check(reference, archive, rootfs, engine)
    if archive:
        done = importing.import_archive(paths, archive, reference, wanted, say)
    elif rootfs:
        done = importing.import_rootfs(paths, rootfs, wanted, say)
    else:
        done = importing.import_from_engine(paths, reference, engine or "", wanted, say)
    say(f"image {done.name}: {done.size_bytes >> 20} MiB")
    click.echo(done.name)


def _check(reference: str, archive: Path | None, rootfs: Path | None, engine: str | None) -> None:
    from vmmcompose.errors import UsageError

    if archive and rootfs:
        raise UsageError("--archive and --rootfs are two sources", hint="give one of them")
    if rootfs and reference:
        raise UsageError(f"--rootfs holds one root filesystem and no {reference}", hint="leave out REF")
    if (archive or rootfs) and engine:
        raise UsageError("--engine is for an image that an engine has", hint="a file needs no engine")
    if not (archive or rootfs or reference):
        raise UsageError("nothing to import", hint="give an image's name, --archive FILE or --rootfs FILE")


def _size(text: str | None) -> int:
    from vmmcompose.cli.given import size
    from vmmcompose.model.desired import DISK_MIB

    return size("--size", text, *DISK_MIB) if text else 0
