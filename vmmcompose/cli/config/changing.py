"""`vmm config set`, `vmm config unset` and `vmm config init`."""

import os

import click

from vmmcompose.cli import complete
from vmmcompose.cli.invocation import Invocation, pass_invocation
from vmmcompose.errors import UsageError

_SET_HELP = """Change settings in the file; what else it says stays.

KEY is a name that `vmm config show` lists. A list's entries are separated by commas. The settings are
judged as a whole before anything is written; several are changed at once by naming several.

\b
Examples:
  vmm config set vm_defaults.memory_mb 2048
  vmm config set subnet 10.77.0.0/24 gateway 10.77.0.254
  vmm config set release_repos ada/images,bob/kernels
  sudo vmm config set hypervisor qemu       your file, not root's"""
_INIT_HELP = """Write a settings file with what is said on this command line and in VMM_* variables.

What is not said stays built in. A file that is there is left alone.

\b
Examples:
  vmm config init
  vmm config init --data-dir /srv/vmm
  VMM_SUBNET=10.77.0.0/24 vmm config init --force"""


@click.command(name="set", help=_SET_HELP)
@click.argument("pairs", metavar="KEY VALUE...", nargs=-1, required=True, shell_complete=complete.settings)
@pass_invocation
def set_(invocation: Invocation, pairs: tuple[str, ...]) -> None:
    """`vmm config set`."""
    from vmmcompose.host.configedit import change_config, known_key
    from vmmcompose.host.configfile import config_path
    from vmmcompose.host.settingkeys import KEYS, Data, from_text

    if len(pairs) % 2:
        raise UsageError(f"there is no value for {pairs[-1]!r}", hint="vmm config set KEY VALUE")
    edits: dict[str, Data | None] = {}
    for name, text in zip(pairs[::2], pairs[1::2], strict=True):
        key = KEYS[known_key(name)]
        data, (wrong, hint) = from_text(key, text)
        if wrong:
            raise UsageError(f"{name} {wrong}", hint=hint)
        if data in ("", ()):
            raise UsageError(f"the value for {name} is empty", hint=f"vmm config unset {name}")
        edits[name] = data
    change_config(config_path(os.environ), edits, os.environ)
    for name in edits:
        variable = KEYS[name].variable
        if os.environ.get(variable):
            invocation.say(f"{variable} is set as well, and wins over the file")


@click.command()
@click.argument("keys", metavar="KEY...", nargs=-1, required=True, shell_complete=complete.settings)
def unset(keys: tuple[str, ...]) -> None:
    """Take settings out of the file, so that what is built in counts again.

    \b
    Examples:
      vmm config unset vm_defaults.image
      vmm config unset vm_defaults           all of them
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    from vmmcompose.host.configedit import change_config
    from vmmcompose.host.configfile import config_path

    change_config(config_path(os.environ), dict.fromkeys(keys), os.environ)


@click.command(help=_INIT_HELP)
@click.option("--data-dir", type=click.Path(file_okay=False), metavar="DIR", help="Where everything is kept.")
@click.option("--force", is_flag=True, help="Write a new file in the place of one that is there.")
@pass_invocation
def init(invocation: Invocation, data_dir: str | None, *, force: bool) -> None:
    """`vmm config init`."""
    from vmmcompose.host.configedit import create_config
    from vmmcompose.host.configfile import config_path
    from vmmcompose.host.settings import read_settings

    path = config_path(os.environ)
    # The file that is there does not count: it is going to be replaced, or is the reason to stop.
    said = read_settings(invocation.data_dir if data_dir is None else data_dir, config="")
    given = {name: value.data for name, value in said.items() if value.source in ("flag", "environment")}
    create_config(path, given, os.environ, force=force)
    click.echo(path)
