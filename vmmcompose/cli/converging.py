"""Running the spine for `up`, `down`, `start`, `stop` and `restart`, and showing how it goes."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import click

from vmmcompose.cli.invocation import Invocation, color_on, columns, print_json, tell
from vmmcompose.errors import ApplyFailed, Refused
from vmmcompose.model.desired import Desired
from vmmcompose.model.observed import Observed
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Event, Plan
from vmmcompose.model.problem import Problem


@dataclass(frozen=True, slots=True)
class Consent:
    """What the user said about data that would be lost."""

    allowed: bool
    """Said beforehand, by a flag or by the nature of the command (`down` deletes)."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a run is made, beside its options."""

    expect: Callable[[Plan, Observed], None] = lambda _plan, _observed: None
    """Refuses a plan that is not the one meant."""
    plan_id: str = ""
    """The saved plan that is applied."""
    patience_s: float = 600.0
    """How long to wait for another vmm on the same VMs."""
    forwards: bool = False
    """Whether the ports that lead to VMs are shown at the end."""


def converge_shown(
    invocation: Invocation, desired: Desired, options: Options, consent: Consent, terms: Terms | None = None
) -> None:
    """Makes the host match, with progress on standard error and a summary at the end.

    Raises:
        VmmError: whatever `reconcile.converge` raises.
    """
    from vmmcompose.cli.progress import make_sink
    from vmmcompose.reconcile import Asker, converge
    from vmmcompose.render.events import done_line, failed_line, forward_lines, idle_line, name_of

    terms = terms or Terms()
    begin = time.monotonic()
    sink = make_sink(invocation)

    def approve(plan: Plan) -> bool:
        return consent.allowed or _ask(plan)

    failed: dict[str, None] = {}

    counts: Counter[str] = Counter()

    def emit(event: Event) -> None:
        counts[event.state] += 1
        if event.state == "failed":
            failed[name_of(event.step.address)] = None
        with suppress(OSError):  # a terminal that is gone must not strand the steps
            sink.tell(event)

    try:
        with sink, located(invocation):
            asker = Asker(
                approve, emit, sink.planned, invocation.say, terms.expect, terms.plan_id, terms.patience_s
            )
            report = converge(invocation.settings(), desired, options, asker)
    except ApplyFailed as error:
        if not failed:
            raise
        # What failed and why has been shown when it happened; this only closes.
        what = failed_line(failed, counts, time.monotonic() - begin)
        hint = "`vmm up` goes on from here, `vmm plan` shows what is left"
        raise ApplyFailed(what, hint=hint if desired.project else "run the command again") from error
    show_notes(invocation, report.plan, ())
    seconds = time.monotonic() - begin
    words = done_line(report.plan, seconds) if report.plan.changes else idle_line(desired, options.only)
    sink.ended(report.plan, words, seconds)
    if terms.forwards:
        only = frozenset(options.only)
        chosen = [vm for vm in desired.vms if not only or vm.name in only]
        for line in forward_lines(
            (vm.name, vm.ports + (vm.added_ports or ())) for vm in chosen if vm.power == "running"
        ):
            sink.note(line)


@contextmanager
def located(invocation: Invocation) -> Iterator[None]:
    """Problems of the host that come out of this block point into the manifest where they speak of it."""
    try:
        yield
    except Refused as error:
        if invocation.manifest is not None and error.problems:
            error.problems = invocation.manifest.locate(error.problems)
        raise


def show_plan(
    invocation: Invocation,
    desired: Desired,
    options: Options,
    *,
    as_json: bool = False,
    refresh: bool = True,
    out: str = "",
) -> bool:
    """Prints what would be done, and saves it to the file `out` if one is named; whether there is anything.

    Raises:
        Refused: the plan holds problems; it has been printed, and not saved.
    """
    from vmmcompose.model.publicplan import plan_to_json, publish
    from vmmcompose.reconcile import plan_project
    from vmmcompose.render.plan import render_plan

    plan, observed = plan_project(invocation.settings(), desired, options, refresh=refresh)
    if options.only:
        plan = replace(plan, problems=(*plan.problems, _partial(desired, options.only)))
    if as_json:
        print_json(plan_to_json(publish(plan, unseen=observed.unseen, refreshed=refresh)))
    else:
        text = render_plan(plan, color=color_on(), width=columns(), refreshed=refresh)
        click.echo(text, nl=False)
        show_notes(invocation, plan, observed.unseen)
    refuse_problems(invocation, plan, told=as_json)
    if out:
        from vmmcompose.cli.saving import save_plan

        save_plan(invocation, out, desired, options, plan, observed)
    return bool(plan.changes)


def _partial(desired: Desired, only: tuple[str, ...]) -> Problem:
    """A plan for some VMs says nothing about the others: somebody may take it for the whole."""
    together = {vm.name for vm in desired.vms if vm.replica_of in only}
    names = [name for name in only if name not in together]
    depends = "it depends" if len(names) == 1 else "they depend"
    message = f"this plan is not whole: only {', '.join(names)} and what {depends} on were looked at"
    return Problem("partial-plan", message, hint="`vmm plan` without names shows the rest", severity="note")


def refuse_problems(invocation: Invocation, plan: Plan, *, told: bool = False) -> None:
    """Ends a command that shows what `vmm up` would do, where it would do nothing. `told`: they have been shown.

    Raises:
        Refused: the plan holds problems.
    """
    errors = [problem for problem in plan.problems if problem.severity == "error"]
    if errors:
        count = "a problem stands" if len(errors) == 1 else f"{len(errors)} problems stand"
        with located(invocation):
            raise Refused(
                f"{count} in the way; `vmm up` would change nothing", problems=() if told else errors
            )


def show_notes(invocation: Invocation, plan: Plan, unseen: tuple[str, ...]) -> None:
    """What a plan noticed, and what could not be seen, on standard error."""
    notes = [problem for problem in plan.problems if problem.severity != "error"]
    if invocation.log_format == "json":
        _json_notes(notes, unseen)
        return
    if notes and not invocation.quiet:
        from vmmcompose.render.problems import render_problems

        notes = list(invocation.manifest.locate(notes)) if invocation.manifest else notes
        tell(render_problems(notes, color=color_on(sys.stderr)).rstrip("\n"))
    for what in unseen:
        invocation.say(f"not seen: {what}")


def _json_notes(notes: Sequence[Problem], unseen: tuple[str, ...]) -> None:
    import json

    lines = [{"level": n.severity, "event": "note", "detail": n.message, "hint": n.hint} for n in notes]
    lines += [{"level": "note", "event": "unseen", "detail": what, "hint": ""} for what in unseen]
    for line in lines:
        tell(json.dumps(line, ensure_ascii=False))


def _ask(plan: Plan) -> bool:
    losses = [
        f"{change.address.removeprefix('vm/')}: {change.data_loss}"
        for change in plan.changes
        if change.data_loss
    ]
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refused(
            "data would be lost: " + "; ".join(losses),
            hint="say --allow-data-loss if that is meant; nothing was changed",
        )
    click.echo("Data will be lost:", err=True)
    for loss in losses:
        click.echo(f"  {loss}", err=True)
    return click.confirm("Go on?", default=False, err=True)
