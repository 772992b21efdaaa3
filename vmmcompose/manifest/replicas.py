"""VMs that stand for several: the replicas' names, and `${VMM_INDEX}` in their values.

Where a value says `${VMM_INDEX}` the data holds a mark, until it is read for one replica.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from vmmcompose.manifest.scalars import plain_value
from vmmcompose.manifest.source import At

NAME = "VMM_INDEX"
VARIABLE = f"${{{NAME}}}"
INDEX = "\x00VMM_INDEX\x00"
"""The mark in a string."""
PLAIN_INDEX = "\x00VMM_INDEX plain\x00"
"""The mark in a scalar that is no string: a number, where it looks like one in the end."""
_EDGE = "\x00"


def filled(value: Any, number: int) -> Any:  # noqa: ANN401 - any data
    """The data with a replica's number for each mark; the very same object where there is none."""
    if isinstance(value, str):
        return _filled_text(value, number) if _EDGE in value else value
    if isinstance(value, dict):
        entries = {key: filled(item, number) for key, item in value.items()}
        return value if all(entries[key] is item for key, item in value.items()) else entries
    if isinstance(value, list):
        items = [filled(item, number) for item in value]
        return value if all(map(_same, items, value)) else items
    return value


def marks(value: Any, at: At) -> Iterator[At]:  # noqa: ANN401 - any data
    """Where marks are in the data that stands at `at`."""
    if isinstance(value, str):
        if INDEX in value or PLAIN_INDEX in value:
            yield at
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from marks(item, (*at, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from marks(item, (*at, index))


def split(entries: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings that are the same for every replica, and those with a mark in them."""
    own = {key: value for key, value in entries.items() if _has_mark(value)}
    return {key: value for key, value in entries.items() if key not in own} if own else dict(entries), own


def replica_name(vm: str, number: int) -> str:
    """What replica `number` of a VM is called; without replicas (number 0) it is the VM's own name."""
    return f"{vm}-{number}" if number else vm


def numbered_text(text: str, number: int) -> str:
    """A scalar's text with a replica's number for each mark."""
    return text.replace(INDEX, str(number)).replace(PLAIN_INDEX, str(number)) if _EDGE in text else text


def _filled_text(text: str, number: int) -> Any:  # noqa: ANN401 - a scalar
    whole = numbered_text(text, number)
    return plain_value(whole) if PLAIN_INDEX in text else whole


def _has_mark(value: object) -> bool:
    if isinstance(value, str):
        return INDEX in value or PLAIN_INDEX in value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(_has_mark, inner))


def _same(one: object, other: object) -> bool:
    return one is other
