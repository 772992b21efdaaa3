"""`vmm image snapshot` and `vmm image delete`."""

import click

from vmmcompose.cli import complete
from vmmcompose.cli.invocation import Invocation, pass_invocation

_SNAPSHOT_HELP = """Make an image of a stopped VM's root disk, for new VMs that begin where this one is now.

Host keys, authorized keys and the machine id are taken out, as are the VM's mounts and variables; what `files` of a
manifest put there stays. The image is shrunk to what it holds; free blocks become holes, so nothing that was deleted
in the VM is in it.

\b
Examples:
  vmm stop dev && vmm image snapshot dev --name dev-ready
  vmm create other --image dev-ready"""
_DELETE_HELP = """Delete images. One that a VM was made from is refused.

\b
Examples:
  vmm image delete old-base test"""


@click.command(name="snapshot", help=_SNAPSHOT_HELP)
@click.argument("vm", metavar="VM", shell_complete=complete.recorded_vms)
@click.option("--name", required=True, metavar="NAME", help="What to call the image.")
@click.option("--force", is_flag=True, help="Replace an image of that name.")
@pass_invocation
def snapshot_vm(invocation: Invocation, vm: str, name: str, *, force: bool) -> None:
    """`vmm image snapshot`."""
    from vmmcompose.cli.project import find_record
    from vmmcompose.images.fromvm import snapshot_disk

    record = find_record(invocation, vm)
    image = snapshot_disk(invocation.paths(), record, name, invocation.say, force=force)
    invocation.say(f"image {image.name}: {image.size_bytes >> 20} MiB")
    click.echo(image.name)


@click.command(name="delete", help=_DELETE_HELP)
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete.images)
@pass_invocation
def delete_image(invocation: Invocation, names: tuple[str, ...]) -> None:
    """`vmm image delete`."""
    from vmmcompose.images.deletion import delete_image as delete

    for name in names:
        delete(invocation.paths(), name, invocation.say)
        invocation.say(f"{name}: deleted")
