"""JSON from a foreign archive: of the shape that is expected, or refused in words."""

import json
from typing import Any

from vmmcompose.errors import HostError
from vmmcompose.images.allowance import MIB
from vmmcompose.images.streams import Counted, Reader

Json = dict[str, Any]
_LIMIT = 4 * MIB
"""Bytes; as much as registries accept."""
AGAIN = "the archive is damaged or incomplete; export it again"


def parse(source: Reader, what: str) -> object:
    """A JSON document; `what` names it in messages.

    Raises:
        HostError: it is none, or too large.
    """
    data = (source if isinstance(source, Counted) else Counted(source)).read(_LIMIT + 1)
    if len(data) > _LIMIT:
        raise HostError(f"{what} in the archive is larger than {_LIMIT // MIB} MiB")
    try:
        value: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise HostError(f"{what} in the archive is no JSON", hint=AGAIN) from error
    return value


def as_object(value: object, what: str) -> Json:
    """The value, if it is an object; see `parse`."""
    if not isinstance(value, dict):
        raise HostError(f"{what} in the archive is not what it should be", hint=AGAIN)
    return value


def as_objects(value: object, what: str) -> list[Json]:
    """The value, if it is a list of objects; see `parse`."""
    if not isinstance(value, list):
        raise HostError(f"{what} in the archive is not what it should be", hint=AGAIN)
    return [as_object(entry, what) for entry in value]


def text(value: Json, key: str) -> str:
    """A field that must be there; see `parse`."""
    text = value.get(key)
    if not isinstance(text, str):
        raise HostError(f"the archive does not say {key}", hint=AGAIN)
    return text


def texts(value: Json, key: str) -> list[str]:
    """A list of texts; none where the field is missing or null; see `parse`."""
    texts = value.get(key) or []
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise HostError(f"{key} in the archive is not what it should be", hint=AGAIN)
    return texts
