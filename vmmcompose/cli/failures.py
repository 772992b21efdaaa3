"""Errors as a user sees them: one message, the problems, what to do next, and the exit code."""

import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress

import click

from vmmcompose.errors import Interrupted, ManifestInvalid, UsageError, VmmError

USAGE = 64
UNEXPECTED = 70
INTERRUPTED = 130
UNWRITTEN = 1
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF)
"""What standard output answers when it takes no more; other files' errors are translated where they are used."""
_NO_ARGUMENTS: tuple[type[click.UsageError], ...] = tuple(
    filter(None, [getattr(click.exceptions, "NoArgsIsHelpError", None)])  # since click 8.2
)


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
        code = _show_usage(error, as_json=as_json() or _wants_json(error))
    except (KeyboardInterrupt, click.exceptions.Abort):
        code = _told(Interrupted("interrupted"), debug=False, as_json=as_json())
    except (BrokenPipeError, SystemExit):  # click itself turns a broken pipe into SystemExit(1)
        code = _quiet_pipe()
    except OSError as error:
        code = _unwritten(error) if error.errno in _UNWRITABLE else _unexpected(error, debug=debug())
    except Exception as error:  # noqa: BLE001 - no traceback reaches a user
        code = _unexpected(error, debug=debug())
    return code


def show_problems(error: VmmError) -> None:
    """The problems an error carries, each with its place where it has one."""
    if error.problems:
        from vmmcompose.cli.invocation import color_on
        from vmmcompose.render.problems import render_problems

        _say(render_problems(error.problems, color=color_on(sys.stderr)).rstrip("\n"))


def _told(error: VmmError, *, debug: bool, as_json: bool) -> int:
    if debug:
        _traceback(error)
    if as_json:
        _as_json(error)
        return error.exit_code
    show_problems(error)
    # A manifest's problems speak for themselves; the message only counts them.
    _say(f"vmm: {error.message}")
    if error.hint:
        lines = error.hint.splitlines()
        _say(f"hint: {lines[0]}")
        for line in lines[1:]:
            _say(f"      {line}")
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


def _show_usage(error: click.ClickException, *, as_json: bool) -> int:
    from vmmcompose.cli.usage import hint_for

    if isinstance(error, _NO_ARGUMENTS) and error.ctx is not None and not as_json:
        _say(error.ctx.get_help())
        return USAGE
    hint = hint_for(error) if isinstance(error, click.UsageError) else ""
    if as_json:
        _as_json(UsageError(error.format_message(), hint=hint))
        return USAGE
    if isinstance(error, click.UsageError) and error.ctx is not None:
        _say(error.ctx.get_usage())
    _say(f"vmm: {error.format_message()}")
    if hint:
        _say(f"hint: {hint}")
    return USAGE


def _wants_json(error: click.ClickException) -> bool:
    """Whether --log-format was read; a command that does not exist is noticed before it has an effect."""
    context = getattr(error, "ctx", None)
    return context is not None and context.find_root().params.get("log_format") == "json"


def _unexpected(error: Exception, *, debug: bool) -> int:
    if debug:
        _traceback(error)
    _say(f"vmm: unexpected {type(error).__name__}: {error}")
    if not debug:
        _say("hint: this is a fault in vmm; run again with --debug to see where")
    return UNEXPECTED


def _traceback(error: Exception) -> None:
    import traceback

    _say("".join(traceback.format_exception(error)).rstrip("\n"))


def _quiet_pipe() -> int:
    """The reader has seen enough (`vmm ps | head -1`)."""
    _drop_output()
    return 0


def _unwritten(error: OSError) -> int:
    _drop_output()
    _say(f"vmm: cannot write the output: {error.strerror}")
    return UNWRITTEN


def _drop_output() -> None:
    """Without this Python would try once more at exit, and complain."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def _say(text: str) -> None:
    """A line on standard error; where that cannot be written, the exit code has to tell."""
    with suppress(OSError):
        click.echo(text, err=True)
