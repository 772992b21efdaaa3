"""`vmm image list`."""

import os
from typing import Any

import click

from vmmcompose.cli.invocation import Invocation, pass_invocation, print_json
from vmmcompose.cli.stored import SCHEMA_VERSION, known, print_table


@click.command(name="list")
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
