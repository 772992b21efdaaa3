"""`vmm kernel list`."""

from typing import Any

import click

from vmmcompose.cli.invocation import Invocation, pass_invocation, print_json
from vmmcompose.cli.stored import SCHEMA_VERSION, known, print_table


@click.command(name="list")
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
            **known(store.read_info(paths.kernel(name) / store.KERNEL_INFO), "source", "version", "created"),
        }
        for name, item in found.items()
        if name != "default"
    ]
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, "kernels": rows})
        return
    cells = [(_marked(row), _forms(row), row["source"], row["version"], row["created"]) for row in rows]
    print_table(("NAME", "FORMS", "SOURCE", "VERSION", "CREATED"), cells)


def _marked(row: dict[str, Any]) -> str:
    return f"{row['name']} (default)" if row["default"] else str(row["name"])


def _forms(row: dict[str, Any]) -> str:
    forms = (("bzImage", row["bzimage"]), ("vmlinux", row["vmlinux"]), ("initrd", row["initrd"]))
    return ", ".join(form for form, path in forms if path)
