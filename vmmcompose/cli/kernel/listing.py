"""`vmm kernel list`."""

from typing import Any

import click

from vmmcompose.cli.invocation import Invocation, pass_invocation, print_json
from vmmcompose.cli.remote import show_remote
from vmmcompose.cli.stored import SCHEMA_VERSION, known, print_table

_HELP = """List the kernels in the store, or with --remote those that `vmm kernel pull` can bring.

--remote asks the repositories of the setting release_repos and Firecracker's bucket. A source that does not
answer is named on standard error, and the rest is listed.

\b
Examples:
  vmm kernel list
  vmm kernel list --remote --json"""


@click.command(name="list", help=_HELP)
@click.option("--remote", is_flag=True, help="What can be pulled, and from where.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a versioned shape.")
@pass_invocation
def list_kernels(invocation: Invocation, *, remote: bool, as_json: bool) -> None:
    """`vmm kernel list`."""
    if remote:
        show_remote(invocation, "kernel", as_json=as_json)
        return
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
