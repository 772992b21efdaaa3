"""What was said before the command: the global options, and what follows from them."""

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from vmmcompose.model.paths import Paths
    from vmmcompose.model.settings import Settings
    from vmmcompose.reconcile import Project


@dataclass(slots=True)
class Invocation:
    """One run of `vmm`; click hands it to every command."""

    file: str | None = None
    project: str = ""
    data_dir: str | None = None
    quiet: bool = False
    debug: bool = False
    log_format: str = "text"
    manifest: "Project | None" = None
    """The manifest, once a command has read it."""
    _settings: "Settings | None" = field(default=None, repr=False)

    def settings(self) -> "Settings":
        """The settings, read once.

        Raises:
            UsageError: they are not valid.
        """
        if self._settings is None:
            from vmmcompose.host.settings import load_settings

            self._settings = load_settings(self.data_dir)
        return self._settings

    def paths(self) -> "Paths":
        """The names of all files below the data folder."""
        from pathlib import PurePosixPath

        from vmmcompose.model.paths import Paths

        return Paths(PurePosixPath(self.settings().data_dir))

    def say(self, text: str) -> None:
        """A line for people, on standard error; nothing with -q."""
        if not self.quiet:
            click.echo(text, err=True)


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)


def color_on(stream: TextIO | None = None) -> bool:
    """Whether escape sequences are welcome on a stream (standard output by default)."""
    import os

    target = stream or sys.stdout
    return target.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def print_json(value: object) -> None:
    """Data for tools, on standard output."""
    import json

    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
