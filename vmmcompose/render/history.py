"""What was done on a host in words: runs as rows and in full, events as lines."""

from collections.abc import Callable
from typing import Any

from vmmcompose.model.history import Run, counted
from vmmcompose.render.events import action_phase, name_of
from vmmcompose.render.plan import change_lines

HEADER = ("ID", "TIME", "USER", "PROJECT", "COMMAND", "RESULT", "CHANGES", "SECONDS")
_COMMAND_SHOWN = 40


def run_row(run: Run, state: str, local: Callable[[str], str]) -> tuple[str, ...]:
    """One run as a row below `HEADER`; `local` turns a stored time into the reader's."""
    begun = run.begun
    seconds = f"{run.ended.seconds:.1f}" if run.ended is not None else ""
    command = begun.command
    if len(command) > _COMMAND_SHOWN:
        command = command[: _COMMAND_SHOWN - 1] + "…"
    return (
        begun.id,
        local(begun.time),
        begun.user,
        begun.project,
        command,
        state,
        counted(begun.changes),
        seconds,
    )


def run_text(run: Run, state: str, local: Callable[[str], str]) -> str:
    """One run in full; ends with a newline."""
    begun, ended = run.begun, run.ended
    lines = [
        f"run      {begun.id}",
        f"begun    {local(begun.time)} by {begun.user}, pid {begun.process.pid}",
        f"command  {begun.command}",
    ]
    if begun.project:
        lines.append(f"project  {begun.project}")
    if begun.plan:
        lines.append(f"plan     {begun.plan} (saved)")
    lines.append(f"result   {state}" + (f" after {ended.seconds:.1f}s" if ended is not None else ""))
    if ended is not None:
        steps = (("done", ended.done), ("failed", len(ended.failed)), ("skipped", ended.skipped))
        lines.append(
            "steps    " + ", ".join(f"{count} {word}" for word, count in steps if count or word == "done")
        )
        if ended.message:
            lines.append(f"message  {ended.message}")
        for failure in ended.failed:
            doing = action_phase(failure.action).doing
            lines.append(f"  ! {name_of(failure.address)}: failed while {doing}: {failure.message}")
    if begun.changes:
        lines += ["", *change_lines(begun.changes)]
    return "\n".join(lines) + "\n"


def event_text(event: dict[str, Any], local: Callable[[str], str]) -> str:
    """One line of the event log; a run's own lines have no address."""
    where = f"{event['project']} " if event["project"] else ""
    seconds = f" ({event['seconds']:.1f}s)" if event["seconds"] else ""
    detail = f": {event['detail']}" if event["detail"] else ""
    if event["address"]:
        doing = action_phase(event["action"]).doing
        what = f"{name_of(event['address'])}: {doing}, {event['event']}"
    else:
        what = f"run {event['run']} {event['event']}"
    return f"{local(event['time'])}  {where}{what}{seconds}{detail}"
