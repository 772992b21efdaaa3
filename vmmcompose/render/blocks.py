"""Changes as blocks of text: replicas to which the same happens are one block, `vm/web-[1-3]`; so are their volumes.

Nothing is left out by that: what differs between them is one word per line (an address, a pid), and all of these are
named in the order of the numbers; long lists are cut as elsewhere.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vmmcompose.model.plan import Change, ChangeKind, Reason

NAME = "\0"
"""Stands for a thing's own name in what is said of it."""
VALUES_SHOWN = 6
_NUMBERED = re.compile(r"((?:vm|volume)/.+)-(0|[1-9][0-9]*)")
_VARYING = re.compile(r"[0-9a-f]*[0-9][0-9a-f.]*")
"""Addresses, ports, pids and ids: what may differ between the replicas of one block."""
_OWN_FIELDS = ("ip", "ports", "")
"""Fields whose values may differ within a block; `` is an observation."""


@dataclass(frozen=True, slots=True)
class Block:
    """What happens to one thing, or to several numbered ones alike."""

    address: str
    kind: ChangeKind
    lines: tuple[str, ...]
    data_loss: str
    count: int = 1


def blocks(changes: Iterable[Change]) -> list[Block]:
    """The blocks, VMs first, in the order of their names and numbers."""
    groups: dict[tuple[object, ...], list[Change]] = {}
    for change in sorted(changes, key=_order):
        groups.setdefault(_likeness(change), []).append(change)
    return [_merged(group) if len(group) > 1 else _single(group[0]) for group in groups.values()]


def reason_text(reason: Reason) -> str:
    """A reason in words: `cpus: 1 -> 2`, `ports: + 8080->80`, or the observation."""
    if reason.why:
        return (
            f"{reason.field}: {reason.why}" if reason.field and reason.field not in reason.why else reason.why
        )
    if reason.old and reason.new:
        return f"{reason.field}: {reason.old} -> {reason.new}"
    return f"{reason.field}: + {reason.new}" if reason.new else f"{reason.field}: - {reason.old}"


def numbers_text(numbers: Sequence[int]) -> str:
    """Sorted numbers in short: `1-3,5`."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _order(change: Change) -> tuple[bool, str, int]:
    stem, number = _split(change.address)
    return (not change.address.startswith("vm/"), stem, number)


def _split(address: str) -> tuple[str, int]:
    found = _NUMBERED.fullmatch(address)
    return (found[1], int(found[2])) if found else (address, -1)


def _likeness(change: Change) -> tuple[object, ...]:
    """What changes of one block have in common."""
    stem, number = _split(change.address)
    if number < 0:
        return (change.address,)
    own = _own_name(change)
    reasons = tuple(_shape(own.sub(NAME, reason_text(r)), r) for r in change.reasons)
    return (stem, change.kind, reasons, own.sub(NAME, change.data_loss))


def _shape(text: str, reason: Reason) -> str:
    varies = (reason.why or not reason.old) and reason.field in _OWN_FIELDS
    return _VARYING.sub("#", text) if varies else text


def _own_name(change: Change) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){re.escape(_name(change.address))}(?![\w-])")


def _name(address: str) -> str:
    return address.partition("/")[2]


def _single(change: Change) -> Block:
    lines = tuple(reason_text(reason) for reason in change.reasons)
    return Block(change.address, change.kind, lines, change.data_loss)


def _merged(group: Sequence[Change]) -> Block:
    stem = _split(group[0].address)[0]
    address = f"{stem}-[{numbers_text([_split(change.address)[1] for change in group])}]"
    name = _name(address)
    texts = [[_own_name(c).sub(NAME, reason_text(r)) for r in c.reasons] for c in group]
    lines = tuple(_joined(column).replace(NAME, name) for column in zip(*texts, strict=True))
    loss = _own_name(group[0]).sub(NAME, group[0].data_loss).replace(NAME, name)
    return Block(address, group[0].kind, lines, loss, len(group))


def _joined(texts: Sequence[str]) -> str:
    """Texts that differ in some words as one, with all their values there."""
    if len(set(texts)) == 1:
        return texts[0]
    columns = list(zip(*(text.split(" ") for text in texts), strict=True))
    return " ".join(_values(column) for column in columns)


def _values(words: Sequence[str]) -> str:
    if len(set(words)) == 1:
        return words[0]
    before = "(" if all(word.startswith("(") for word in words) else ""
    behind = next((end for end in (")", ":", ";", ",") if all(w.endswith(end) for w in words)), "")
    bare = [word.removeprefix(before).removesuffix(behind) for word in words]
    if len(bare) > VALUES_SHOWN:
        bare = [*bare[: VALUES_SHOWN - 2], "…", bare[-1]]
    return before + ", ".join(bare) + behind
