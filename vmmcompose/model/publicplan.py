"""What of a plan everybody may see, and its JSON shape: `schemas/plan.schema.json`.

The steps of a plan hold whole specs, with the values of `env`, the contents of `files` and the scripts of `provision`.
Here a step has its action's name and those parameters that say what is done and hold no secret. Digests of guest files
are left out too: whoever knows the rest could guess a short secret from one.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, get_args

from vmmcompose.model.actions import Action, DeleteDisk, DeleteVolume, RestoreDisks, StartVm, StopVm
from vmmcompose.model.desired import Mount, Provision
from vmmcompose.model.plan import Change, ChangeKind, Plan, Reason, Step
from vmmcompose.model.problem import Problem, Severity
from vmmcompose.model.record import Process, Record
from vmmcompose.model.snapshot import Snapshot

SCHEMA_VERSION = 1
KINDS: tuple[ChangeKind, ...] = get_args(ChangeKind)
_SEVERITIES: tuple[Severity, ...] = get_args(Severity)
_HIDDEN = frozenset({"digest"})

Json = dict[str, Any]
Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class PublicStep:
    """One step: its action by name, with parameters that hold no secret, and the steps it waits for."""

    id: int
    address: str
    action: str
    parameters: tuple[tuple[str, Value], ...] = ()
    after: tuple[int, ...] = ()
    weak: tuple[int, ...] = ()
    """Steps that must have ended, however they did."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A plan counted."""

    vms: tuple[tuple[ChangeKind, int], ...] = ()
    """How many VMs there are of each kind of change; kinds without one are left out."""
    restarted: int = 0
    """VMs that run now, go down and come up again."""
    disks_lost: int = 0
    """Root disks that are made anew or put back; those of deleted VMs are not counted here."""
    volumes_lost: int = 0


@dataclass(frozen=True, slots=True)
class PublicPlan:
    """A plan without its secrets."""

    project: str
    refreshed: bool = True
    """Whether the host was looked at; where it was not, nobody knows the steps and there are none here."""
    changes: tuple[Change, ...] = ()
    steps: tuple[PublicStep, ...] = ()
    problems: tuple[Problem, ...] = ()
    """Errors, warnings and notes, without their places in the manifest: a line of it may hold a secret."""
    unseen: tuple[str, ...] = ()
    """What could not be seen and why, for people."""
    summary: Summary = Summary()


def publish(plan: Plan, *, unseen: tuple[str, ...] = (), refreshed: bool = True) -> PublicPlan:
    """What of a plan everybody may see."""
    return PublicPlan(
        plan.project,
        refreshed,
        plan.changes,
        tuple(_public_step(step) for step in plan.steps) if refreshed else (),
        tuple(Problem(p.code, p.message, p.at, p.hint, p.severity) for p in plan.problems),
        unseen,
        summarize(plan),
    )


def summarize(plan: Plan) -> Summary:
    """The plan counted, in one walk over its changes and one over its steps."""
    kinds = Counter(change.kind for change in plan.changes if change.address.startswith("vm/"))
    stopped = {step.address for step in plan.steps if isinstance(step.action, StopVm)}
    started = {step.address for step in plan.steps if isinstance(step.action, StartVm)}
    disks = sum(isinstance(step.action, DeleteDisk | RestoreDisks) for step in plan.steps)
    volumes = sum(isinstance(step.action, DeleteVolume) for step in plan.steps)
    vms = tuple((kind, kinds[kind]) for kind in KINDS if kinds[kind])
    return Summary(vms, len(stopped & started), disks, volumes)


def plan_to_json(plan: PublicPlan) -> Json:
    """The JSON value that `schemas/plan.schema.json` describes."""
    return {
        "schema_version": SCHEMA_VERSION,
        "project": plan.project,
        "refreshed": plan.refreshed,
        "changes": changes_to_json(plan.changes),
        "steps": [
            {
                **asdict(step),
                "parameters": dict(step.parameters),
                "after": list(step.after),
                "weak": list(step.weak),
            }
            for step in plan.steps
        ],
        "problems": [_problem_to_json(problem) for problem in plan.problems],
        "unseen": list(plan.unseen),
        "summary": {**asdict(plan.summary), "vms": dict(plan.summary.vms)},
    }


def plan_from_json(value: Json) -> PublicPlan:
    """The plan again.

    Raises:
        KeyError, TypeError, ValueError: this was not made by `plan_to_json`.
    """
    if value["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"schema version {value['schema_version']}, this vmm writes {SCHEMA_VERSION}")
    counts = {**value["summary"], "vms": tuple((_kind(k), n) for k, n in value["summary"]["vms"].items())}
    return PublicPlan(
        value["project"],
        value["refreshed"],
        changes_from_json(value["changes"]),
        tuple(
            PublicStep(
                **{
                    **step,
                    "parameters": tuple(step["parameters"].items()),
                    "after": tuple(step["after"]),
                    "weak": tuple(step["weak"]),
                }
            )
            for step in value["steps"]
        ),
        tuple(_problem_from_json(problem) for problem in value["problems"]),
        tuple(value["unseen"]),
        Summary(**counts),
    )


def changes_to_json(changes: Iterable[Change]) -> list[Json]:
    """Changes as the plan's JSON and the history have them."""
    return [asdict(change) | {"reasons": [asdict(r) for r in change.reasons]} for change in changes]


def changes_from_json(value: Iterable[Json]) -> tuple[Change, ...]:
    """The changes again.

    Raises:
        KeyError, TypeError, ValueError: these were not made by `changes_to_json`.
    """
    return tuple(
        Change(
            one["address"], _kind(one["kind"]), tuple(Reason(**r) for r in one["reasons"]), one["data_loss"]
        )
        for one in value
    )


def _kind(value: str) -> ChangeKind:
    return KINDS[KINDS.index(value)]  # a ValueError where it is none


def _problem_to_json(problem: Problem) -> Json:
    value = asdict(problem) | {"at": list(problem.at)}
    del value["place"]
    return value


def _problem_from_json(value: Json) -> Problem:
    severity = _SEVERITIES[_SEVERITIES.index(value["severity"])]
    return Problem(value["code"], value["message"], tuple(value["at"]), value["hint"], severity)


def _public_step(step: Step) -> PublicStep:
    after, weak = tuple(sorted(step.after)), tuple(sorted(step.weak))
    return PublicStep(
        step.id, step.address, type(step.action).__name__, _parameters(step.action), after, weak
    )


def _parameters(action: Action) -> tuple[tuple[str, Value], ...]:
    """The fields that are plain values, and of the others what names them."""
    found: list[tuple[str, Value]] = []
    for field in fields(action):
        match getattr(action, field.name):
            case str() | int() | float() as value if field.name not in _HIDDEN:
                found.append((field.name, value))
            case Record(state=state):
                found.append(("state", state))
            case Process(pid=pid):
                found.append(("pid", pid))
            case Mount(tag=tag):
                found.append(("mount", tag))
            case Provision(name=name) | Snapshot(name=name):
                found.append((field.name, name))
            case _:
                pass
    return tuple(found)
