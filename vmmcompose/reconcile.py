"""The spine on one screen: observe, plan, approve, apply, verify; `loading` has what the manifest says.

`up`, `down`, `start`, `stop`, `restart` are this with another `Desired` or other `Options`; there is one way
to start a VM. `apply` and the history are imported where they are used: most commands do without them.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vmmcompose.drivers import CAPABILITIES, driver
from vmmcompose.errors import ApplyFailed, NotConverged, Refused
from vmmcompose.host.access import require_root
from vmmcompose.host.locks import hold
from vmmcompose.loading import paths_of
from vmmcompose.model.actions import StartVm
from vmmcompose.model.desired import Desired
from vmmcompose.model.observed import Observed
from vmmcompose.model.options import Options
from vmmcompose.model.paths import Paths
from vmmcompose.model.plan import Event, Outcome, Plan
from vmmcompose.model.settings import Settings
from vmmcompose.observe import observe, observe_recorded, renew
from vmmcompose.plan import make_plan, told_once

if TYPE_CHECKING:
    from vmmcompose.apply import Context

ROUNDS = 3
"""How often the host is put right when other projects change what is shared at the same time."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one run did."""

    plan: Plan
    outcome: Outcome
    verified: bool
    """Whether observing and planning again gave an empty plan."""


def plan_project(
    settings: Settings, desired: Desired, options: Options, *, refresh: bool = True
) -> tuple[Plan, Observed]:
    """What `converge` would do now, and what it saw; without `refresh` only what differs from the records."""
    paths = paths_of(settings)
    if refresh:
        observed = observe(settings, desired, paths, contents=options.contents)
    else:
        observed = observe_recorded(settings, desired, paths)
    return _plan(settings, desired, observed, options), observed


@dataclass(frozen=True, slots=True)
class Asker:
    """Whoever asked for a run: what they are told, and what they decide."""

    approve: Callable[[Plan], bool]
    """Asked when data would be lost."""
    emit: Callable[[Event], None]
    on_plan: Callable[[Plan], None] = lambda _plan: None
    """Sees what is going to be done before anything is."""
    on_wait: Callable[[str], None] = lambda _holder: None
    """Hears who holds the lock."""
    expect: Callable[[Plan, Observed], None] = lambda _plan, _observed: None
    """Sees every plan before anything of it is done, and raises where it is not the one that was meant."""
    plan_id: str = ""
    """The saved plan that this run applies."""
    patience_s: float = 600.0
    """How long to wait for another vmm that works on the same VMs."""


def converge(settings: Settings, desired: Desired, options: Options, asker: Asker) -> Report:
    """Makes the host match.

    Raises:
        Refused: the plan holds problems, is not the one expected, or its loss of data was not approved.
        ApplyFailed: steps failed; the rest was done.
        NotConverged: all steps were done and the host still differs.
        HostUnfit: not root, or a tool is missing.
        Locked: another vmm works on this project.
    """
    from vmmcompose.host.history import recorded

    require_root("changing VMs")
    paths = paths_of(settings)
    with _hold_all(desired, paths, asker), recorded(paths, desired.project, asker.plan_id) as run:
        plan, observed = plan_project(settings, desired, options)
        run.plan = plan
        asker.expect(plan, observed)
        _refuse_problems(plan)
        if not plan.steps:
            return Report(plan, Outcome(), verified=True)
        run.begin()
        asker.on_plan(plan)
        if any(change.data_loss for change in plan.changes) and not asker.approve(plan):
            raise Refused("nothing was changed", hint="--allow-data-loss says yes beforehand")
        from vmmcompose.apply import Context, Patience, execute

        plan = _commit(settings, desired, options, observed, plan, asker.expect)
        patience = Patience(options.wait_timeout_s)
        context = Context(settings, paths, observed.host, dict(observed.kernels), patience)
        emit = run.telling(asker.emit)
        outcome = execute(plan, context, emit)
        _raise_failures(outcome)
        _verify(context, desired, options, emit)
        return Report(plan, outcome, verified=True)


@contextmanager
def _hold_all(desired: Desired, paths: Paths, asker: Asker) -> Iterator[None]:
    """The project's lock, or those of the single VMs, always in the same order."""
    what = {paths.work_lock(desired.project, vm.name): f"VM {vm.name}" for vm in desired.vms}
    if desired.project:
        what = {paths.work_lock(desired.project, ""): f"project {desired.project}"}
    with ExitStack() as stack:
        for lock, words in sorted(what.items()):
            stack.enter_context(hold(lock, words, timeout_s=asker.patience_s, on_wait=asker.on_wait))
        yield


def _plan(settings: Settings, desired: Desired, observed: Observed, options: Options) -> Plan:
    plan = make_plan(desired, observed, settings, CAPABILITIES, options)
    starts = [step.action.spec for step in plan.steps if isinstance(step.action, StartVm)]
    extra = [
        problem
        for spec in starts
        if spec.driver in CAPABILITIES
        for problem in driver(spec.driver).check(spec, observed.host)
    ]
    # A limit that planner and driver both know is one problem, and so is what all replicas have.
    return replace(plan, problems=told_once(dict.fromkeys((*plan.problems, *extra)), desired))


def _commit(
    settings: Settings,
    desired: Desired,
    options: Options,
    observed: Observed,
    shown: Plan,
    expect: Callable[[Plan, Observed], None],
) -> Plan:
    """Writes the intents under the host lock, on a plan that knows what other projects did until now."""
    from vmmcompose.apply import Context, write_intents

    paths = paths_of(settings)
    with hold(paths.lock("host"), "the host's addresses"):
        now = renew(settings, observed, paths)
        plan = shown
        if now != observed:
            plan = _plan(settings, desired, now, options)
            expect(plan, now)
            _refuse_problems(plan)
            if not _losses(plan) <= _losses(shown):
                raise Refused("the host changed while you decided", hint="run the command again")
        write_intents(plan, Context(settings, paths, observed.host, {}))
    return plan


def _verify(context: "Context", desired: Desired, options: Options, emit: Callable[[Event], None]) -> None:
    """Observes and plans again: nothing may be left.

    Bridge, rules and temporary files are everybody's. Where another project changed them meanwhile they are
    put right once more. What changed in a mounted folder meanwhile is for the next run.
    """
    from vmmcompose.apply import execute

    calm = replace(options, recreate=False, rebuild=False, restart=False, restore=None, rebuild_mounts=())
    for _ in range(ROUNDS):
        observed = observe(context.settings, desired, context.paths, contents=False)
        left = _plan(context.settings, desired, observed, calm)
        if not left.changes:
            return
        if any(change.address.startswith("vm/") for change in left.changes):
            break
        _raise_failures(execute(left, context, emit))
    hint = "run `vmm plan` to see it, `vmm up` to try again" if desired.project else "run the command again"
    raise NotConverged(_differences(left), hint=hint)


def _losses(plan: Plan) -> set[str]:
    return {change.data_loss for change in plan.changes if change.data_loss}


def _refuse_problems(plan: Plan) -> None:
    errors = [problem for problem in plan.problems if problem.severity == "error"]
    if errors:
        count = "a problem" if len(errors) == 1 else f"{len(errors)} problems"
        raise Refused(f"{count} on this host; nothing was changed", problems=errors)


def _raise_failures(outcome: Outcome) -> None:
    if not outcome.failed:
        return
    first = outcome.failed[0]
    count = len(outcome.failed)
    more = f" (and {count - 1} more)" if count > 1 else ""
    skipped = f"; {len(outcome.skipped)} steps that depend on it were skipped" if outcome.skipped else ""
    raise ApplyFailed(f"{first.detail}{more}{skipped}", hint=first.hint)


def _differences(plan: Plan) -> str:
    reasons = [
        f"{change.address}: {reason.why or f'{reason.field} {reason.old} -> {reason.new}'}"
        for change in plan.changes
        for reason in change.reasons
    ]
    return "all steps were done, yet the host still differs: " + "; ".join(reasons)
