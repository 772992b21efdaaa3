"""`vmm config …`: the settings of this host. One module for showing, one for changing."""

import click

from vmmcompose.cli.lazy import Entry, LazyGroup

_HERE = "vmmcompose.cli.config"
_FILE = "Settings"


class _Commands(LazyGroup):
    entries = {  # noqa: RUF012 - as LazyGroup declares it
        "show": Entry(f"{_HERE}.showing", "show", "Show every setting and where it comes from", _FILE),
        "set": Entry(f"{_HERE}.changing", "set_", "Change settings in the file", _FILE),
        "unset": Entry(f"{_HERE}.changing", "unset", "Take settings out of the file", _FILE),
        "init": Entry(f"{_HERE}.changing", "init", "Write a settings file", _FILE),
        "path": Entry(f"{_HERE}.showing", "path", "Print the file's name", _FILE),
    }


@click.group(cls=_Commands)
def config() -> None:
    """The settings: where things lie, how the network is laid out, what a VM gets by default.

    They come from options, VMM_* variables, the file that `vmm config path` names, and what is built in.
    The manifest is shown by `vmm manifest show`.
    """
