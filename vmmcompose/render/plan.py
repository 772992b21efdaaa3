"""A plan as text for people; its JSON shape is in `model/publicplan.py`."""

from collections.abc import Iterable, Iterator

from vmmcompose.model.plan import Change, ChangeKind, Plan
from vmmcompose.model.publicplan import Summary, summarize
from vmmcompose.render.blocks import Block, blocks

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
NOT_LOOKED = (
    "The host was not looked at (--refresh=false): this compares the manifest with the records alone. Processes,",
    "links, rules, disks and mounted folders may differ too.",
)
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


def render_plan(plan: Plan, *, color: bool = False, width: int = 0, refreshed: bool = True) -> str:
    """The changes with their reasons, what data is lost, and a summary; ends with a newline.

    Lines longer than `width` columns are wrapped; 0 leaves them as they are.
    """
    head = [] if refreshed else [*_wrapped(" ".join(NOT_LOOKED), "", width), ""]
    if not plan.changes:
        return "\n".join([*head, _idle(plan, refreshed=refreshed)]) + "\n"
    title = f"Plan for project {plan.project}:" if plan.project else "Plan:"
    lines = [*head, title, "", *change_lines(plan.changes, color=color, width=width)]
    lines += ["", *_wrapped(summary(plan), "", width)]
    return "\n".join(lines) + "\n"


def change_lines(changes: Iterable[Change], *, color: bool = False, width: int = 0) -> list[str]:
    """The changes with their reasons, a block each."""
    return [line for block in blocks(changes) for line in _block_lines(block, color=color, width=width)]


def summary(plan: Plan) -> str:
    """The changes counted: `Plan: 2 VMs to create, 1 to restart; network to repair.`, and what that costs."""
    parts: list[str] = []
    counts = summarize(plan)
    vms = dict(counts.vms)
    for kind in _ORDER:
        count = vms.get(kind, 0)
        if count:
            noun = "" if parts else (" VM" if count == 1 else " VMs")
            parts.append(f"{count}{noun} to {kind}")
    others = [f"{what} to {kind}" for what, kind in other_things(plan)]
    text = "; ".join(filter(None, (", ".join(parts), ", ".join(others))))
    return " ".join([f"Plan: {text}." if text else "Plan: nothing to do.", *_costs(counts)])


def other_things(plan: Plan) -> Iterator[tuple[str, ChangeKind]]:
    """What else than VMs changes, and how: `volume/data`, or `3 volumes` to which the same happens."""
    things: dict[tuple[str, ChangeKind], list[str]] = {}
    for change in plan.changes:
        thing = change.address.partition("/")[0]
        if thing != "vm":
            things.setdefault((thing, change.kind), []).append(change.address)
    for (thing, kind), addresses in things.items():
        yield addresses[0] if len(addresses) == 1 else f"{len(addresses)} {thing}s", kind


def _costs(counts: Summary) -> Iterator[str]:
    if counts.restarted != dict(counts.vms).get("restart", 0):  # else it has just been said
        one = counts.restarted == 1
        yield f"{counts.restarted} VM{' goes' if one else 's go'} down and come{'s' if one else ''} up again."
    disks, volumes = counts.disks_lost, counts.volumes_lost
    lost = [
        f"{n} {what}{'' if n == 1 else 's'}" for n, what in ((disks, "root disk"), (volumes, "volume")) if n
    ]
    if lost:
        yield f"{' and '.join(lost)} {'is' if disks + volumes == 1 else 'are'} lost."


def _idle(plan: Plan, *, refreshed: bool) -> str:
    project = plan.project
    if any(problem.severity == "error" for problem in plan.problems):
        return f"No changes can be planned{f' for project {project}' if project else ''}."
    if not project:
        return "Nothing to do."
    if not refreshed:
        return f"The records of project {project} are as the manifest says."
    return f"Nothing to do: project {project} is as the manifest says."


def _block_lines(block: Block, *, color: bool, width: int) -> Iterator[str]:
    symbol = SYMBOLS[block.kind]
    head = f"{symbol:>3}"
    if color:
        head = f"\033[{_COLORS[symbol]}m{head}\033[0m"
    things = "volumes" if block.address.startswith("volume/") else "VMs"
    count = f" ({block.count} {things})" if block.count > 1 else ""
    yield f"{head} {block.address:<20} {block.kind}{count}"
    shown = block.lines if len(block.lines) <= REASONS_SHOWN else block.lines[: REASONS_SHOWN - 1]
    for line in shown:
        yield from _wrapped(line, " " * 8, width)
    if len(shown) < len(block.lines):
        yield f"        … and {len(block.lines) - len(shown)} more (--json shows all)"
    if block.data_loss:
        yield from _wrapped(f"! data is lost: {block.data_loss}", " " * 6, width)


def _wrapped(text: str, indent: str, width: int) -> list[str]:
    if not width or len(indent) + len(text) <= width:
        return [indent + text]
    from textwrap import wrap

    room = max(width, len(indent) + 20)
    return wrap(
        text,
        room,
        initial_indent=indent,
        subsequent_indent=indent + "  " if indent else "",
        break_long_words=False,
        break_on_hyphens=False,
    )
