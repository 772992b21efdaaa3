"""Why a saved plan is not to be applied any more: what differs from what was shown, as problems in words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from vmmcompose.model.desired import KEYS
from vmmcompose.model.plan import Change
from vmmcompose.model.problem import Problem
from vmmcompose.model.publicplan import PublicPlan, PublicStep, Value
from vmmcompose.model.savedplan import Pairs, SavedPlan
from vmmcompose.render.blocks import reason_text
from vmmcompose.render.events import DONE

FACTS_SHOWN = 12
REASONS_SHOWN = 6
IN_RECORD = " in its record"
"""How the names of facts end that are fields of a record."""
_SHARED = ("network", "files", "taps")
"""What follows from the changes of VMs and says nothing beside them."""
_FIELDS = {
    **KEYS,
    "driver": "hypervisor",
    "resolvers": "name servers",
    "added_ports": "forwards added by hand",
}
_Done = tuple[str, tuple[tuple[str, Value], ...]]
"""An action by name and its parameters."""


def stale_problems(
    saved: SavedPlan, now: PublicPlan, specs: Iterable[tuple[str, Pairs]], facts: Pairs
) -> tuple[Problem, ...]:
    """What is new, gone or different in the plan made now, then which facts on the host changed.

    `specs` are the digests of the fields of the specs now, `facts` what the host shows now.
    """
    planned = {change.address: change for change in saved.plan.changes}
    present = {change.address: change for change in now.changes}
    texts = [
        text
        for address in sorted(planned.keys() | present.keys())
        for text in _change_texts(address, planned.get(address), present.get(address))
    ]
    changed = {a for a in planned.keys() | present.keys() if planned.get(a) != present.get(a)}
    texts += _step_texts(saved, now, dict(specs), changed)
    texts = texts or [
        "the same steps would not do quite the same: a record, a setting or an image has changed"
    ]
    notes = _fact_texts(dict(saved.facts), dict(facts))
    if len(notes) > FACTS_SHOWN:
        notes = [*notes[: FACTS_SHOWN - 1], f"… and {len(notes) - FACTS_SHOWN + 1} more things on the host"]
    return (
        *(Problem("stale-plan", text) for text in texts),
        *(Problem("host-changed", text, severity="note") for text in notes),
    )


def _change_texts(address: str, planned: Change | None, now: Change | None) -> Iterator[str]:
    if planned is None and now is not None:
        yield f"{address}: the plan leaves it as it is; now it would be {_done(now)}"
    elif planned is not None and now is None:
        yield f"{address}: the plan would {_do(planned)}; now there is nothing to do"
    elif planned is not None and now is not None and planned.kind != now.kind:
        yield f"{address}: the plan would {_do(planned)}; now it would be {_done(now)}"
    elif planned is not None and now is not None and planned != now:
        yield f"{address}: the plan would {now.kind} it, as now, but {'; '.join(_same_kind(planned, now))}"


def _do(change: Change) -> str:
    return f"{change.kind} it{_because(change, ' for ')}{_loss(change)}"


def _done(change: Change) -> str:
    return f"{DONE[change.kind]}{_because(change, ': ')}{_loss(change)}"


def _because(change: Change, before: str) -> str:
    reasons = [reason_text(reason) for reason in change.reasons]
    if len(reasons) > REASONS_SHOWN:
        reasons = [*reasons[: REASONS_SHOWN - 1], f"{len(reasons) - REASONS_SHOWN + 1} more"]
    return f"{before}{', '.join(reasons)}" if reasons else ""


def _loss(change: Change) -> str:
    return f" (data is lost: {change.data_loss})" if change.data_loss else ""


def _same_kind(planned: Change, now: Change) -> Iterator[str]:
    before, after = ([reason_text(reason) for reason in change.reasons] for change in (planned, now))
    gone = [text for text in before if text not in after]
    new = [text for text in after if text not in before]
    if gone:
        yield f"no longer for {', '.join(gone)}"
    if new:
        yield f"now for {', '.join(new)}"
    if not gone and not new and before != after:
        yield "for the same reasons in another order"
    if planned.data_loss != now.data_loss:
        yield f"data lost would be {now.data_loss or 'none'} instead of {planned.data_loss or 'none'}"


def _step_texts(
    saved: SavedPlan, now: PublicPlan, specs: Mapping[str, Pairs], changed: set[str]
) -> Iterator[str]:
    """Where the changes are the same and yet something else would be done."""
    before, after = _by_address(saved.plan.steps), _by_address(now.steps)
    known = dict(saved.specs)
    for address in sorted((before.keys() | after.keys()) - changed):
        fields = _differing(dict(known.get(address, ())), dict(specs.get(address, ())))
        if fields:
            yield f"{address}: the steps would work with other {', '.join(fields)}"
        elif before.get(address) != after.get(address) and not (changed and address in _SHARED):
            yield f"{address}: {_steps_text(before.get(address, []), after.get(address, []))}"


def _by_address(steps: Iterable[PublicStep]) -> dict[str, list[_Done]]:
    found: dict[str, list[_Done]] = {}
    for step in steps:
        found.setdefault(step.address, []).append((step.action, step.parameters))
    return found


def _differing(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    differing = sorted(name for name in old.keys() & new.keys() if old[name] != new[name])
    return [_FIELDS.get(name, name) for name in differing]


def _steps_text(old: Sequence[_Done], new: Sequence[_Done]) -> str:
    if [action for action, _ in old] == [action for action, _ in new]:
        return "; ".join(
            f"{action} would have {key} {value} instead of {dict(before).get(key, 'none')}"
            for (action, before), (_, after) in zip(old, new, strict=True)
            for key, value in after
            if (key, value) not in before
        )
    gone = [action for action, _ in old if action not in {a for a, _ in new}]
    more = [action for action, _ in new if action not in {a for a, _ in old}]
    return f"instead of {', '.join(gone) or 'nothing'} there would be {', '.join(more) or 'nothing'}"


def _fact_texts(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """What changed on the host; of a record that came or went only that."""
    both = old.keys() & new.keys()
    names = [name for name in sorted(old.keys() | new.keys()) if name in both or not name.endswith(IN_RECORD)]
    return [
        f"{name}: {old.get(name, 'none')} -> {new.get(name, 'none')}"
        for name in names
        if old.get(name) != new.get(name)
    ]
