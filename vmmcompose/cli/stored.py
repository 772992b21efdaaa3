"""What the listings of images and kernels share."""

from typing import Any

import click

SCHEMA_VERSION = 1


def known(info: dict[str, Any], *keys: str) -> dict[str, str]:
    """These fields of a sidecar; empty where it does not have them."""
    return {key: str(info.get(key, "")) for key in keys}


def print_table(header: tuple[str, ...], cells: list[tuple[Any, ...]]) -> None:
    """A table on standard output."""
    from vmmcompose.render.tables import table

    click.echo(table(header, [tuple(str(cell) for cell in row) for row in cells]), nl=False)
