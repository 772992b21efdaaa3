"""`vmm kernel …`: the kernels VMs are booted with. One module per command."""

import click

from vmmcompose.cli.lazy import Entry, LazyGroup

_HERE = "vmmcompose.cli.kernel"
_STORE = "Kernels"


class _Commands(LazyGroup):
    entries = {  # noqa: RUF012 - as LazyGroup declares it
        "list": Entry(f"{_HERE}.listing", "list_kernels", "List the kernels in the store", _STORE),
        "pull": Entry(
            f"{_HERE}.pulling", "pull_kernel", "Download one, or import the distribution's", _STORE
        ),
        "import": Entry(f"{_HERE}.importing", "import_kernel", "Import one from a package or a file", _STORE),
        "build": Entry(f"{_HERE}.building", "build_kernel", "Build one from source", _STORE),
        "default": Entry(f"{_HERE}.keeping", "default_kernel", "Say which one `default` stands for", _STORE),
        "delete": Entry(f"{_HERE}.keeping", "delete_kernel", "Delete kernels that no VM boots", _STORE),
    }


@click.group(cls=_Commands)
def kernel() -> None:
    """The kernels VMs are booted with."""
