"""`vmm version`."""

import click

from vmmcompose import __version__
from vmmcompose.cli.invocation import print_json


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def version(*, as_json: bool) -> None:
    """Show the version of vmm and of what it runs on."""
    if not as_json:
        click.echo(f"vmm {__version__}")
        return
    import platform

    value = {
        "schema_version": 1,
        "version": __version__,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "machine": platform.machine(),
    }
    print_json(value)
