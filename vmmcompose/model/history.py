"""What was done on a host, run by run and step by step: values, and the lines they are kept as.

A run has two lines: one when it begins, written before anything is touched, and one when it has ended. A run whose
second line is missing was killed, or still goes on.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from vmmcompose.model.plan import Change, Event
from vmmcompose.model.publicplan import changes_from_json, changes_to_json
from vmmcompose.model.record import Process

SCHEMA_VERSION = 1
Result = Literal["done", "failed", "refused", "interrupted"]
"""`refused` touched nothing; `failed` did what did not depend on what failed."""
_RESULTS: tuple[Result, ...] = get_args(Result)
_EVENT_KEYS = frozenset({"time", "run", "project", "event", "address", "action", "detail", "seconds"})

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failure:
    """A step that failed."""

    address: str
    action: str
    message: str


@dataclass(frozen=True, slots=True)
class Begun:
    """A run when it begins."""

    id: str
    time: str
    """UTC in ISO 8601, as all times here."""
    user: str
    """Who called `vmm`, also through sudo."""
    command: str
    process: Process
    project: str
    """Empty for VMs without a manifest."""
    plan: str = ""
    """The id of the saved plan it applies; empty for all others."""
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a run."""

    time: str
    result: Result
    message: str = ""
    """Why it was not done; empty where it was."""
    done: int = 0
    """Steps that were done, the writing of records not counted."""
    failed: tuple[Failure, ...] = ()
    skipped: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """A run as both its lines tell; `ended` is None where the second is missing."""

    begun: Begun
    ended: Ended | None = None


def begun_to_json(begun: Begun) -> Json:
    """The first line of a run."""
    value = {**asdict(begun), "changes": changes_to_json(begun.changes)}
    return {"schema_version": SCHEMA_VERSION, "line": "begun", **value}


def ended_to_json(run: str, ended: Ended) -> Json:
    """The second line of the run with the id `run`."""
    return {"schema_version": SCHEMA_VERSION, "line": "ended", "id": run, **asdict(ended)}


def runs_of(lines: Iterable[Json]) -> list[Run]:
    """The runs, in the order they began. Lines of another version, and what is damaged, are left out."""
    runs: dict[str, Run] = {}
    for line in lines:
        try:
            if line["schema_version"] != SCHEMA_VERSION:
                continue
            if line["line"] == "begun":
                runs[line["id"]] = Run(_begun(line))
            elif line["id"] in runs:
                runs[line["id"]] = Run(runs[line["id"]].begun, _ended(line))
        except (KeyError, TypeError, ValueError):
            continue
    return list(runs.values())


def run_to_json(run: Run, state: str) -> Json:
    """A run as `vmm history --json` shows it; `state` is its result, or what became of it without one."""
    begun = {**asdict(run.begun), "changes": changes_to_json(run.begun.changes)}
    ended = asdict(run.ended or Ended("", "done"))
    return {**begun, "state": state, **{key: ended[key] for key in ended if key not in ("time", "result")}}


def event_to_json(event: Event, run: str, project: str, time: str) -> Json:
    """One step event as a line of the host's event log."""
    return {
        "schema_version": SCHEMA_VERSION,
        "time": time,
        "run": run,
        "project": project,
        "event": event.state,
        "address": event.step.address,
        "action": type(event.step.action).__name__,
        "detail": event.detail or (f"{event.cause.address} failed" if event.cause is not None else ""),
        "seconds": round(event.seconds, 3),
    }


def is_event(line: Json) -> bool:
    """Whether a line of the event log can be shown."""
    return line.get("schema_version") == SCHEMA_VERSION and line.keys() >= _EVENT_KEYS


def run_event(run: str, project: str, time: str, event: str, detail: str, seconds: float = 0.0) -> Json:
    """A run that begins or has ended, as a line of the host's event log."""
    empty = {"address": "", "action": ""}
    head = {"schema_version": SCHEMA_VERSION, "time": time, "run": run, "project": project, "event": event}
    return {**head, **empty, "detail": detail, "seconds": round(seconds, 3)}


def counted(changes: Iterable[Change]) -> str:
    """Changes by kind: `2 create, 1 restart`."""
    kinds = Counter(change.kind for change in changes)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())


def _begun(line: Json) -> Begun:
    texts = {key: str(line[key]) for key in ("id", "time", "user", "command", "project", "plan")}
    return Begun(**texts, process=Process(**line["process"]), changes=changes_from_json(line["changes"]))


def _ended(line: Json) -> Ended:
    return Ended(
        str(line["time"]),
        _RESULTS[_RESULTS.index(line["result"])],
        str(line["message"]),
        int(line["done"]),
        tuple(Failure(**failure) for failure in line["failed"]),
        int(line["skipped"]),
        float(line["seconds"]),
    )
