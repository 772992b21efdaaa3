"""`vmm image list`."""

import os
from typing import Any

import click

from vmmcompose.cli.invocation import Invocation, pass_invocation, print_json
from vmmcompose.cli.remote import show_remote
from vmmcompose.cli.stored import SCHEMA_VERSION, known, print_table

_HELP = """List the root filesystems in the store, or with --remote those that `vmm image pull` can bring.

--remote asks the repositories of the setting release_repos and Firecracker's bucket. A source that does not
answer is named on standard error, and the rest is listed.

\b
Examples:
  vmm image list
  vmm image list --remote --json"""


@click.command(name="list", help=_HELP)
@click.option("--remote", is_flag=True, help="What can be pulled, and from where.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a versioned shape.")
@pass_invocation
def list_images(invocation: Invocation, *, remote: bool, as_json: bool) -> None:
    """`vmm image list`."""
    if remote:
        show_remote(invocation, "image", as_json=as_json)
        return
    from vmmcompose.host import store

    paths = invocation.paths()
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "path": item.path,
            "size_bytes": item.size_bytes,
            "allocated_bytes": os.stat(item.path).st_blocks * 512,
            "digest": item.digest,
            **known(info, "source", "created"),
            **({"config": info["config"]} if "config" in info else {}),
        }
        for name, item in store.list_images(paths).items()
        for info in (store.read_info(paths.image_info(name)),)
    ]
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, "images": rows})
        return
    from vmmcompose.render.tables import mib

    cells = [
        (row["name"], mib(row["size_bytes"]), mib(row["allocated_bytes"]), row["source"], row["created"])
        for row in rows
    ]
    print_table(("NAME", "SIZE", "ALLOCATED", "SOURCE", "CREATED"), cells)
