"""Saved plans: `vmm plan --out` and `vmm apply`."""

import os
from collections.abc import Callable
from dataclasses import replace

from vmmcompose.cli.invocation import Invocation
from vmmcompose.errors import HostUnfit, Refused, UsageError, VmmError
from vmmcompose.model.desired import Desired
from vmmcompose.model.history import Run
from vmmcompose.model.observed import Observed
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Plan
from vmmcompose.model.savedplan import SavedPlan

_ANEW = "look at it and save it anew: vmm plan --out FILE"


def save_plan(
    invocation: Invocation, path: str, desired: Desired, options: Options, plan: Plan, observed: Observed
) -> None:
    """Writes a plan that may be applied.

    Raises:
        HostUnfit: something of the host could not be seen, so the plan would not be the one made when it is applied.
        HostError, UsageError: the file could not be written.
    """
    from vmmcompose import __version__
    from vmmcompose.host.savedplans import new_identity, write_saved
    from vmmcompose.model.publicplan import publish
    from vmmcompose.model.savedplan import spec_digests, step_digests
    from vmmcompose.plan.facts import gather_facts

    if observed.unseen:
        what = "; ".join(observed.unseen)
        raise HostUnfit(f"a plan is only saved of what was seen whole: {what}", hint="run it with sudo")
    settings = invocation.settings()
    saved = SavedPlan(
        **new_identity(),
        version=__version__,
        data_dir=settings.data_dir,
        reading=invocation.manifest.reading if invocation.manifest is not None else None,
        desired=desired,
        options=options,
        plan=publish(plan),
        digests=step_digests(plan, settings),
        specs=spec_digests(plan),
        facts=gather_facts(desired, observed, settings),
    )
    write_saved(path, saved)
    invocation.say(
        f"saved: `vmm apply {path}` does exactly this, or nothing; it may hold secrets of the manifest"
    )


def check_place(invocation: Invocation, path: str, saved: SavedPlan) -> None:
    """Refuses a plan that was made somewhere else.

    Raises:
        UsageError: the command line names another manifest, project or data folder.
        Refused: it is another host's.
    """
    from vmmcompose.host.savedplans import this_host

    if invocation.files or invocation.project not in ("", saved.desired.project):
        raise UsageError(
            f"{path} is a plan for project {saved.desired.project}; apply takes all from it",
            hint="leave -f and -p away",
        )
    data_dir = invocation.settings().data_dir
    if saved.data_dir != data_dir:
        raise Refused(
            f"{path} is a plan for data folder {saved.data_dir}, not for {data_dir}",
            hint=f"vmm --data-dir {saved.data_dir} apply {path}",
        )
    if saved.host != this_host():
        raise Refused(
            f"{path} is a plan for host {saved.host}; this is {this_host()}", hint="plan on this host"
        )


def tell_edited(invocation: Invocation, saved: SavedPlan) -> None:
    """Says so where the manifest means something else by now. The plan is what is applied."""
    from vmmcompose.loading import load_project

    if saved.reading is None:
        return
    name, reading = saved.reading.files[0], replace(saved.reading, environ=os.environ)
    try:
        now = load_project(invocation.settings(), reading).desired
    except VmmError as error:
        invocation.say(f"note: {name} can no longer be read as it was: {error.message}")
        return
    if now != saved.desired:
        invocation.say(
            f"note: what {name} means has changed since this plan was made; the plan is applied as it is"
        )


def expectation(invocation: Invocation, saved: SavedPlan) -> Callable[[Plan, Observed], None]:
    """What refuses every plan but the saved one, and the saved one when it was applied before. Asked under the lock."""
    from vmmcompose.host.history import read_runs, state_of
    from vmmcompose.model.publicplan import publish
    from vmmcompose.model.savedplan import is_same, spec_digests, step_digests
    from vmmcompose.plan.facts import gather_facts
    from vmmcompose.render.stale import stale_problems

    settings = invocation.settings()
    asked = False

    def expect(plan: Plan, observed: Observed) -> None:
        nonlocal asked
        runs = read_runs(invocation.paths())
        if not asked:  # later this very run is among them
            _refuse_applied([r for r in runs if r.begun.plan == saved.id], state_of)
        asked = True
        public = publish(plan)
        if is_same(saved, public, step_digests(plan, settings)):
            return
        facts = gather_facts(saved.desired, observed, settings)
        problems = stale_problems(saved, public, spec_digests(plan), facts)
        others = [r for r in runs if _is_since(r, saved) and state_of(r) != "refused"]
        told = f"; since then: {_named(others[-1])}" if others else ""
        raise Refused(
            f"the host is not as it was when this plan was made{told}; nothing was changed",
            hint=_ANEW,
            problems=problems,
        )

    return expect


def _refuse_applied(runs: list[Run], state_of: Callable[[Run], str]) -> None:
    for run in runs:
        state = state_of(run)
        if state != "refused":
            ended = "" if state == "done" else f" and {'failed' if state == 'failed' else f'was {state}'}"
            raise Refused(
                f"this plan was applied before: {_named(run)}{ended}; a plan is applied once",
                hint=_ANEW,
            )


def _is_since(run: Run, saved: SavedPlan) -> bool:
    begun = run.begun
    return (
        begun.project == saved.desired.project
        and begun.time > saved.created
        and begun.process.pid != os.getpid()
    )


def _named(run: Run) -> str:
    return f"`{run.begun.command}` by {run.begun.user} at {run.begun.time} (run {run.begun.id})"
