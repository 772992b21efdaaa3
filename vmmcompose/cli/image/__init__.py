"""`vmm image …`: the root filesystems VMs are booted from. One module per command."""

import click

from vmmcompose.cli.lazy import Entry, LazyGroup

_HERE = "vmmcompose.cli.image"
_STORE = "Images"


class _Commands(LazyGroup):
    entries = {  # noqa: RUF012 - as LazyGroup declares it
        "list": Entry(f"{_HERE}.listing", "list_images", "List the root filesystems in the store", _STORE),
        "pull": Entry(f"{_HERE}.pulling", "pull_image", "Download one, or build it where that fails", _STORE),
        "import": Entry(f"{_HERE}.importing", "import_image", "Import one from docker or a file", _STORE),
        "build": Entry(f"{_HERE}.building", "build_image", "Build one from packages", _STORE),
        "snapshot": Entry(f"{_HERE}.keeping", "snapshot_vm", "Make one of a stopped VM's disk", _STORE),
        "delete": Entry(f"{_HERE}.keeping", "delete_image", "Delete images that no VM was made from", _STORE),
    }


@click.group(cls=_Commands)
def image() -> None:
    """The root filesystems VMs are booted from."""
