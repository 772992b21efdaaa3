"""Errors as a user sees them: one message, the problems, what to do next, and the exit code."""

import os
import sys
from collections.abc import Callable

import click

from vmmcompose.errors import Interrupted, ManifestInvalid, VmmError

USAGE = 64
UNEXPECTED = 70
INTERRUPTED = 130


def guard(run: Callable[[], int], *, debug: Callable[[], bool], as_json: Callable[[], bool]) -> int:
    """Runs a command and turns whatever it raises into words on standard error and an exit code."""
    try:
        code = run()
        sys.stdout.flush()
    except VmmError as error:
        code = _told(error, debug=debug(), as_json=as_json())
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.ClickException as error:
        code = _show_usage(error)
    except (KeyboardInterrupt, click.exceptions.Abort):
        code = _told(Interrupted("interrupted"), debug=False, as_json=as_json())
    except (BrokenPipeError, SystemExit):  # click itself turns a broken pipe into SystemExit(1)
        code = _quiet_pipe()
    except Exception as error:  # noqa: BLE001 - no traceback reaches a user
        code = _unexpected(error, debug=debug())
    return code


def show_problems(error: VmmError) -> None:
    """The problems an error carries, each with its place where it has one."""
    if error.problems:
        from vmmcompose.cli.invocation import color_on
        from vmmcompose.render.problems import render_problems

        click.echo(render_problems(error.problems, color=color_on(sys.stderr)).rstrip("\n"), err=True)


def _told(error: VmmError, *, debug: bool, as_json: bool) -> int:
    if debug:
        _traceback(error)
    if as_json:
        _as_json(error)
        return error.exit_code
    show_problems(error)
    # A manifest's problems speak for themselves; the message only counts them.
    click.echo(f"vmm: {error.message}", err=True)
    if error.hint:
        lines = error.hint.splitlines()
        click.echo(f"hint: {lines[0]}", err=True)
        for line in lines[1:]:
            click.echo(f"      {line}", err=True)
    return error.exit_code


def _as_json(error: VmmError) -> None:
    from dataclasses import asdict

    from vmmcompose.cli.jsonlog import log_json

    value = {
        "level": "error",
        "event": "error",
        "message": error.message,
        "hint": error.hint,
        "exit_code": error.exit_code,
        "manifest": isinstance(error, ManifestInvalid),
        "problems": [asdict(problem) for problem in error.problems],
    }
    log_json(value)


def _show_usage(error: click.ClickException) -> int:
    if isinstance(error, click.UsageError) and error.ctx is not None:
        click.echo(error.ctx.get_usage(), err=True)
    click.echo(f"vmm: {error.format_message()}", err=True)
    if isinstance(error, click.UsageError) and error.ctx is not None:
        click.echo(f"hint: {error.ctx.command_path} --help tells more", err=True)
    return USAGE


def _unexpected(error: Exception, *, debug: bool) -> int:
    if debug:
        _traceback(error)
    click.echo(f"vmm: unexpected {type(error).__name__}: {error}", err=True)
    if not debug:
        click.echo("hint: this is a fault in vmm; run again with --debug to see where", err=True)
    return UNEXPECTED


def _traceback(error: Exception) -> None:
    import traceback

    click.echo("".join(traceback.format_exception(error)), err=True, nl=False)


def _quiet_pipe() -> int:
    """The reader has seen enough (`vmm ps | head -1`); without this Python complains at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
    return 0
