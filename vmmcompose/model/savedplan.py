"""A plan kept in a file, to be applied later as it was shown or not at all.

The file holds what was wanted, what was planned for it and what the host showed. Applying it looks at the host and
plans again, with the same `Desired` and `Options`; the plan made then must be the saved one, step by step. Steps hold
secrets, so the file has their digests. It does hold the secrets of the manifest: only its owner may read it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass
from hashlib import sha256
from typing import Any

from vmmcompose.model.choice import Choice
from vmmcompose.model.codec import desired_from_json, desired_to_json
from vmmcompose.model.desired import Desired
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Plan, Step
from vmmcompose.model.publicplan import PublicPlan, plan_from_json, plan_to_json
from vmmcompose.model.reading import Reading
from vmmcompose.model.settings import Settings
from vmmcompose.model.shape import require_desired
from vmmcompose.model.spec import VmSpec

FORMAT = "vmm-plan"
FORMAT_VERSION = 1
_SHORT = 16
"""Hex digits of a digest: 64 bits, against chance and not against an attacker."""
_LONG = 16
"""Items of a tuple that is worth remembering: the names of a project's VMs stand in each of their specs."""

Json = dict[str, Any]
Pairs = tuple[tuple[str, str], ...]


class NewerFormat(ValueError):
    """The file was written by a newer vmm."""


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """All that the file holds. Times are UTC in ISO 8601."""

    id: str
    version: str
    """Of the vmm that wrote it."""
    created: str
    user: str
    """Who asked for it, also through sudo."""
    host: str
    """The host's name and a digest of its machine id."""
    data_dir: str
    reading: Reading | None
    """How the manifest was read, without the values of variables; None where there was none."""
    desired: Desired
    options: Options
    plan: PublicPlan
    digests: tuple[str, ...]
    """One for each step, over everything it does."""
    specs: tuple[tuple[str, Pairs], ...]
    """By address: a digest for each field of the spec that its steps work with, to name what differs."""
    facts: Pairs
    """What the host showed, by name: see `plan/facts.py`."""


def step_digests(plan: Plan, settings: Settings) -> tuple[str, ...]:
    """A digest for each step of the plan, over all that it does: its action, and the settings that steer it."""
    steering = _digest({**asdict(settings), "vm_defaults": None})
    known: dict[int, str] = {}
    return tuple(_digest([steering, *_plain(step, known)]) for step in plan.steps)


def spec_digests(plan: Plan) -> tuple[tuple[str, Pairs], ...]:
    """By address, a digest for each field of the last spec that its steps work with."""
    found: dict[str, VmSpec] = {}
    for step in plan.steps:
        spec = getattr(step.action, "spec", None)
        if isinstance(spec, VmSpec):
            found[step.address] = spec
    known: dict[int, str] = {}
    return tuple(
        (address, tuple((f.name, _digest(_value(getattr(spec, f.name), known))) for f in fields(spec)))
        for address, spec in sorted(found.items())
    )


def is_same(saved: SavedPlan, public: PublicPlan, digests: tuple[str, ...]) -> bool:
    """Whether a plan is the saved one: the same changes, made by the same steps."""
    planned = saved.plan
    return (planned.changes, planned.steps, saved.digests) == (public.changes, public.steps, digests)


def saved_to_json(saved: SavedPlan) -> Json:
    """The document, with a digest over itself against damage."""
    options = asdict(saved.options)
    del options["restore"]  # no saved plan goes back to a snapshot
    value = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        **{key: getattr(saved, key) for key in _TEXTS},
        "reading": _reading_to_json(saved.reading),
        "desired": desired_to_json(saved.desired),
        "options": options,
        "plan": plan_to_json(saved.plan),
        "digests": list(saved.digests),
        "specs": {address: dict(parts) for address, parts in saved.specs},
        "facts": dict(saved.facts),
    }
    return {**value, "digest": _digest(value)}


def saved_from_json(value: Any) -> SavedPlan:  # noqa: ANN401 - whatever the file held
    """The saved plan again.

    Raises:
        NewerFormat: another vmm wrote it.
        KeyError, TypeError, ValueError: this was not made by `saved_to_json`, or it is damaged.
    """
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ValueError("it is no saved plan")
    if value["format_version"] != FORMAT_VERSION:
        raise NewerFormat(f"format {value['format_version']}")
    if _digest({key: item for key, item in value.items() if key != "digest"}) != value["digest"]:
        raise ValueError("it was changed after it was written")
    desired = desired_from_json(value["desired"])
    require_desired(desired)
    lists = {key: tuple(item) for key, item in value["options"].items() if isinstance(item, list)}
    return SavedPlan(
        **{key: str(value[key]) for key in _TEXTS},
        reading=_reading_from_json(value["reading"]),
        desired=desired,
        options=Options(**{**value["options"], **lists}),
        plan=plan_from_json(value["plan"]),
        digests=tuple(value["digests"]),
        specs=tuple((address, _pairs(parts)) for address, parts in value["specs"].items()),
        facts=_pairs(value["facts"]),
    )


_TEXTS = ("id", "version", "created", "user", "host", "data_dir")


def _reading_to_json(reading: Reading | None) -> Json | None:
    if reading is None:
        return None
    kept = {"files": reading.files, "project": reading.project, "env_files": reading.env_files}
    return {**kept, "choice": asdict(reading.choice)}


def _reading_from_json(value: Json | None) -> Reading | None:
    if value is None:
        return None
    chosen = value["choice"]
    scale = tuple((str(vm), int(number)) for vm, number in chosen["scale"])
    choice = Choice(tuple(chosen["profiles"]), tuple(chosen["names"]), scale)
    return Reading(tuple(value["files"]), str(value["project"]), tuple(value["env_files"]), choice)


def _pairs(value: Mapping[str, str]) -> Pairs:
    return tuple((str(key), str(item)) for key, item in value.items())


def _plain(step: Step, known: dict[int, str]) -> list[Any]:
    """All that a step is, as JSON values."""
    head = [step.address, type(step.action).__name__, sorted(step.after), sorted(step.weak)]
    return head + [_value(getattr(step.action, field.name), known) for field in fields(step.action)]


def _value(value: Any, known: dict[int, str]) -> Any:  # noqa: ANN401 - any field's value
    """A value for JSON. Specs and long tuples stand for many: each is digested once, `known` has them by identity."""
    shared = isinstance(value, VmSpec) or (isinstance(value, tuple) and len(value) > _LONG)
    if shared and id(value) in known:
        return known[id(value)]
    parts = value
    if is_dataclass(value):
        parts = [_value(getattr(value, field.name), known) for field in fields(value)]
    elif isinstance(value, tuple):
        parts = [_value(item, known) for item in value]
    return known.setdefault(id(value), _digest(parts)) if shared else parts


def _digest(value: Any) -> str:  # noqa: ANN401 - any JSON value
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:_SHORT]
