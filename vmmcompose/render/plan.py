"""A plan as text for people; its JSON shape is in `model/publicplan.py`."""

from collections.abc import Iterable

from vmmcompose.model.plan import Change, ChangeKind, Plan, Reason

SYMBOLS: dict[ChangeKind, str] = {
    "create": "+",
    "start": "~",
    "stop": "~",
    "pause": "~",
    "resume": "~",
    "update": "~",
    "restart": "~",
    "restore": "-/+",
    "repair": "~",
    "replace": "-/+",
    "delete": "-",
}
REASONS_SHOWN = 12
"""Reasons per change; a flushed iptables gives more than anybody reads."""
_COLORS: dict[str, str] = {"+": "32", "~": "33", "-/+": "31", "-": "31"}
_ORDER: tuple[ChangeKind, ...] = (
    "create",
    "start",
    "update",
    "restart",
    "restore",
    "replace",
    "repair",
    "resume",
    "pause",
    "stop",
    "delete",
)


def render_plan(plan: Plan, *, color: bool = False) -> str:
    """The changes with their reasons, what data is lost, and a summary line; ends with a newline."""
    if not plan.changes:
        if not plan.project:
            return "Nothing to do.\n"
        return f"Nothing to do: project {plan.project} is as the manifest says.\n"
    lines = [f"Plan for project {plan.project}:" if plan.project else "Plan:", ""]
    for change in sorted(
        plan.changes, key=lambda change: (not change.address.startswith("vm/"), change.address)
    ):
        lines += _change_lines(change, color=color)
    lines += ["", summary(plan)]
    return "\n".join(lines) + "\n"


def summary(plan: Plan) -> str:
    """The changes counted: `Plan: 2 VMs to create, 1 to restart; network to repair.`."""
    parts: list[str] = []
    for kind in _ORDER:
        count = sum(change.kind == kind for change in plan.changes if change.address.startswith("vm/"))
        if count:
            noun = "" if parts else (" VM" if count == 1 else " VMs")
            parts.append(f"{count}{noun} to {kind}")
    others = [
        f"{change.address} to {change.kind}"
        for change in plan.changes
        if not change.address.startswith("vm/")
    ]
    text = "; ".join(filter(None, (", ".join(parts), ", ".join(others))))
    return f"Plan: {text}." if text else "Plan: nothing to do."


def _change_lines(change: Change, *, color: bool) -> Iterable[str]:
    symbol = SYMBOLS[change.kind]
    head = f"{symbol:>3}"
    if color:
        head = f"\033[{_COLORS[symbol]}m{head}\033[0m"
    yield f"{head} {change.address:<20} {change.kind}"
    shown = change.reasons if len(change.reasons) <= REASONS_SHOWN else change.reasons[: REASONS_SHOWN - 1]
    for reason in shown:
        yield f"        {reason_text(reason)}"
    if len(shown) < len(change.reasons):
        yield f"        … and {len(change.reasons) - len(shown)} more (--json shows all)"
    if change.data_loss:
        yield f"      ! data is lost: {change.data_loss}"


def reason_text(reason: Reason) -> str:
    """A reason in words: `cpus: 1 -> 2`, `ports: + 8080->80`, or the observation."""
    if reason.why:
        return (
            f"{reason.field}: {reason.why}" if reason.field and reason.field not in reason.why else reason.why
        )
    if reason.old and reason.new:
        return f"{reason.field}: {reason.old} -> {reason.new}"
    return f"{reason.field}: + {reason.new}" if reason.new else f"{reason.field}: - {reason.old}"
