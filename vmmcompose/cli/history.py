"""`vmm history` and `vmm events`: what was done on this host, by whom, and what came of it."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from vmmcompose.cli.invocation import Invocation, pass_invocation, print_json
from vmmcompose.errors import UsageError
from vmmcompose.model.history import SCHEMA_VERSION, is_event

_HISTORY_HELP = """Show what was done on this host: every run that changed something, or tried to.

RESULT is done, failed (what did not depend on the failure was done), refused (nothing was touched), interrupted
(Ctrl-C, or the process was killed) or running. Needs root: command lines are kept in it.

\b
Examples:
  vmm history -n 10              the last ten runs, of all projects
  vmm -p shop history            one project's
  vmm history show 3f2a9c01d4e5  one run with its changes and failures"""
_EVENTS_HELP = """Show what happens to VMs on this host, step by step, whichever vmm does it.

\b
Examples:
  vmm events --since 10m        the last ten minutes
  vmm events -f --since 0s      what happens from now on
  vmm -p shop events -f --json  one project's, a JSON object per line"""


@click.group(help=_HISTORY_HELP, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a versioned shape.")
@click.option(
    "-n", "--lines", type=click.IntRange(min=1), metavar="N", help="Only the last N runs [default: all]."
)
@click.pass_context
def history(ctx: click.Context, lines: int | None, *, as_json: bool) -> None:
    """`vmm history`."""
    if ctx.invoked_subcommand is not None:
        return
    invocation = ctx.ensure_object(Invocation)
    from vmmcompose.host.history import read_runs, state_of
    from vmmcompose.model.history import run_to_json
    from vmmcompose.render.history import HEADER, run_row
    from vmmcompose.render.tables import table

    runs = [r for r in read_runs(invocation.paths()) if invocation.project in ("", r.begun.project)]
    runs = runs[-lines:] if lines else runs
    if as_json:
        values = [run_to_json(run, state_of(run)) for run in runs]
        print_json({"schema_version": SCHEMA_VERSION, "runs": values})
        return
    click.echo(table(HEADER, [run_row(run, state_of(run), _local) for run in runs]), nl=False)


@history.command()
@click.argument("run_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a versioned shape.")
@pass_invocation
def show(invocation: Invocation, run_id: str, *, as_json: bool) -> None:
    """Show one run with its changes and what failed. The first letters of its ID are enough."""
    from vmmcompose.host.history import read_runs, state_of
    from vmmcompose.model.history import run_to_json
    from vmmcompose.render.history import run_text

    found = [run for run in read_runs(invocation.paths()) if run.begun.id.startswith(run_id)]
    if len(found) != 1:
        count = "several runs" if found else "no run"
        raise UsageError(f"there is {count} {run_id!r}", hint="`vmm history` lists them")
    state = state_of(found[0])
    if as_json:
        print_json({"schema_version": SCHEMA_VERSION, **run_to_json(found[0], state)})
    else:
        click.echo(run_text(found[0], state, _local), nl=False)


class Since(click.ParamType):  # type: ignore[type-arg] # generic in newer versions only
    """A moment: so long ago (`90s`, `10m`, `2h`, `3d`), or a date and time in ISO 8601."""

    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:  # noqa: ANN401 - as click has it
        """The moment.

        Raises:
            click.BadParameter: it is none.
        """
        if isinstance(value, datetime):
            return value
        ago = re.fullmatch(r"([0-9]{1,6})([smhd])", value)
        if ago:
            units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
            return datetime.now(UTC) - timedelta(**{units[ago[2]]: int(ago[1])})
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no moment: 90s, 10m, 2h, 3d, or 2026-01-31T12:00", param, ctx)


@click.command(help=_EVENTS_HELP)
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C.")
@click.option(
    "--since", type=Since(), metavar="TIME", help="Only what happened since: 10m, 2h, or a date and time."
)
@click.option("--json", "as_json", is_flag=True, help="A JSON object per line, with a versioned shape.")
@pass_invocation
def events(invocation: Invocation, since: datetime | None, *, follow: bool, as_json: bool) -> None:
    """`vmm events`."""
    import json

    from vmmcompose.host import journal
    from vmmcompose.render.history import event_text

    path = invocation.paths().events()
    for event in _meant(journal.follow(path) if follow else journal.read(path), invocation.project, since):
        click.echo(json.dumps(event) if as_json else event_text(event, _local))


def _meant(lines: Iterator[dict[str, Any]], project: str, since: datetime | None) -> Iterator[dict[str, Any]]:
    for line in lines:
        if not is_event(line) or project not in ("", line["project"]):
            continue
        if since is None or datetime.fromisoformat(line["time"]) >= since:
            yield line


def _local(time: str) -> str:
    """A stored time as the reader's clock shows it."""
    return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")
