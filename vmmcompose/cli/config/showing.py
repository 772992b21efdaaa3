"""`vmm config show` and `vmm config path`."""

import os

import click

from vmmcompose.cli.invocation import Invocation, pass_invocation, print_json

SCHEMA_VERSION = 1

_SHOW_HELP = """Show every setting, its value, and where that comes from.

FROM is a flag, an environment variable, the settings file, or `built in`.

\b
Examples:
  vmm config show
  vmm config show --json | jq -r '.settings[] | select(.source == "file") | .key'"""


@click.command(help=_SHOW_HELP)
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a versioned shape.")
@pass_invocation
def show(invocation: Invocation, *, as_json: bool) -> None:
    """`vmm config show`."""
    from vmmcompose.host.configfile import config_path
    from vmmcompose.host.settings import read_settings

    values = read_settings(invocation.data_dir)
    if as_json:
        rows = [
            {"key": key, "value": value.data, "source": value.source, "where": value.where}
            for key, value in values.items()
        ]
        print_json({"schema_version": SCHEMA_VERSION, "file": config_path(os.environ), "settings": rows})
        return
    from vmmcompose.render.tables import table

    cells = [(key, _shown(value.data), value.where or value.source) for key, value in values.items()]
    click.echo(table(("KEY", "VALUE", "FROM"), cells), nl=False)


@click.command()
def path() -> None:
    """Print the settings file's name, whether it is there or not.

    Under sudo it is the file of the user who called sudo.
    """
    from vmmcompose.host.configfile import config_path

    click.echo(config_path(os.environ))


def _shown(data: str | int | tuple[str, ...]) -> str:
    return ",".join(data) if isinstance(data, tuple) else str(data)
