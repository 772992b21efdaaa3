"""What was said before the command: the global options, and what follows from them."""

import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from vmmcompose.loading import Project
    from vmmcompose.model.paths import Paths
    from vmmcompose.model.reading import Reading
    from vmmcompose.model.settings import Settings


@dataclass(slots=True)
class Invocation:
    """One run of `vmm`; click hands it to every command."""

    files: tuple[str, ...] = ()
    project: str = ""
    env_files: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    data_dir: str | None = None
    quiet: bool = False
    debug: bool = False
    log_format: str = "text"
    manifest: "Project | None" = None
    """The manifest, once a command has read it."""
    _settings: "Settings | None" = field(default=None, repr=False)

    def reading(self, names: tuple[str, ...] = (), scale: tuple[tuple[str, int], ...] = ()) -> "Reading":
        """Which manifest is meant, and how it is read.

        `names` are VMs that are wanted whatever their profiles are, `scale` has numbers of replicas by VM.
        """
        import os

        from vmmcompose.model.choice import Choice
        from vmmcompose.model.reading import Reading

        words = os.environ.get("VMM_PROFILES", "").split(",")
        profiles = self.profiles or tuple(word.strip() for word in words if word.strip())
        choice = Choice(profiles, names, scale)
        return Reading(self.files, self.project, self.env_files, choice, os.environ)

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
            tell(text)


class Seconds(click.FloatRange):
    """A time in seconds: a number, which `nan` and `inf` are not."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401 - as click has it
        """The value, if it is one.

        Raises:
            click.BadParameter: it is none.
        """
        seconds: float = super().convert(value, param, ctx)
        if not abs(seconds) < _FOREVER_S:
            self.fail(f"{value} is no number of seconds.", param, ctx)
        return seconds


_FOREVER_S = 10_000_000
"""More than the milliseconds of poll(2) can count, and a third of a year."""

pass_invocation = click.make_pass_decorator(Invocation, ensure=True)


def tell(text: str) -> None:
    """A line for people, on standard error. Work goes on where nobody can read it any more."""
    with suppress(OSError):
        click.echo(text, err=True)


def color_on(stream: TextIO | None = None) -> bool:
    """Whether escape sequences are welcome on a stream (standard output by default)."""
    import os

    target = stream or sys.stdout
    return target.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def columns() -> int:
    """How wide standard output is; 0 where that is no terminal, and lines stay whole."""
    if not sys.stdout.isatty():
        return 0
    import shutil

    return shutil.get_terminal_size().columns


def print_json(value: object) -> None:
    """Data for tools, on standard output."""
    import json

    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
