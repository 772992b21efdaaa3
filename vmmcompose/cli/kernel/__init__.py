"""`vmm kernel …`: the kernels VMs are booted with. One module per command."""

import click

from vmmcompose.cli.lazy import Entry, LazyGroup

_HERE = "vmmcompose.cli.kernel"
_STORE = "Kernels"


class _Commands(LazyGroup):
    entries = {  # noqa: RUF012 - as LazyGroup declares it
        "list": Entry(f"{_HERE}.listing", "list_kernels", "List the kernels in the store", _STORE),
        "import": Entry(f"{_HERE}.importing", "import_kernel", "Import one from a package or a file", _STORE),
    }


@click.group(cls=_Commands)
def kernel() -> None:
    """The kernels VMs are booted with."""
