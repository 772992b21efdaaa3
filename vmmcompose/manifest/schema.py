"""The JSON Schema: its text, and what it has against a manifest."""

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vmmcompose.manifest.source import At

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator


@dataclass(frozen=True, slots=True)
class Fault:
    """One objection of the schema, by its parts."""

    at: At
    keyword: str
    """The schema's keyword that objects: `type`, `required`, …"""
    argument: Any
    """What that keyword demands."""
    schema: dict[str, Any]
    """The subschema that holds the keyword."""
    value: Any
    branches: tuple[tuple["Fault", ...], ...] = ()
    """With `oneOf`: what each alternative that failed objects to."""
    about_name: bool = False
    """The value is a key of the mapping at `at`."""
    own: bool = False
    """About the whole value that the surrounding `oneOf` looked at."""


def schema_text() -> str:
    """The JSON Schema of `vmm.yaml`, for editors."""
    from importlib.resources import files

    return (files("vmmcompose") / "schemas" / "vmm.schema.json").read_text(encoding="utf-8")


def find_faults(data: Any) -> Iterator[Fault]:  # noqa: ANN401 - any data
    """Everything the schema has against the data."""
    return (_fault(error) for error in _validator().iter_errors(data))


@functools.cache
def keys_of(name: str) -> tuple[str, ...]:
    """The keys of one of the schema's definitions."""
    return tuple(_schema()["$defs"][name]["properties"])


def types_at(at: At) -> frozenset[str]:
    """What a value at a manifest path may be, in the schema's words; nothing for a place it does not know."""
    return _types(tuple("*" if index == 1 and at[0] in _NAMED else part for index, part in enumerate(at)))


_NAMED = ("vms", "volumes")
"""Top-level mappings whose keys are the user's own names."""


@functools.lru_cache(maxsize=1024)
def _types(at: At) -> frozenset[str]:
    found = [_schema()]
    for part in at:
        found = [below for schema in found for one in _alternatives(schema) for below in _inside(one, part)]
    types: set[str] = set()
    for schema in found:
        for one in _alternatives(schema):
            named = one.get("type", ())
            types.update((named,) if isinstance(named, str) else named)
            types.update("string" for choice in one.get("enum", ()) if isinstance(choice, str))
    return frozenset(types)


def _alternatives(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "$ref" in schema:
        schema = {**_schema()["$defs"][schema["$ref"].rpartition("/")[2]], **schema}
        del schema["$ref"]
    yield schema
    for one in schema.get("oneOf", ()):
        yield from _alternatives(one)


def _inside(schema: dict[str, Any], part: str | int) -> Iterator[dict[str, Any]]:
    if isinstance(part, int):
        if isinstance(schema.get("items"), dict):
            yield schema["items"]
        return
    if part in schema.get("properties", ()):
        yield schema["properties"][part]
    elif isinstance(schema.get("additionalProperties"), dict):
        yield schema["additionalProperties"]


@functools.cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(schema_text())
    return schema


@functools.cache
def _validator() -> "Validator":
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    # To JSON Schema 2.0 is an integer; in a manifest it is a mistake.
    checker = Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer)
    strict: type[Validator] = extend(Draft202012Validator, type_checker=checker)  # type: ignore[no-untyped-call]
    return strict(_schema())


def _is_integer(_checker: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _fault(error: "ValidationError") -> Fault:
    branches: dict[str | int, list[Fault]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.relative_schema_path[0], []).append(_fault(inner))
    return Fault(
        at=tuple(error.absolute_path),
        keyword=str(error.validator),
        argument=error.validator_value,
        schema=dict(error.schema) if isinstance(error.schema, dict) else {},
        value=error.instance,
        branches=tuple(map(tuple, branches.values())),
        about_name="propertyNames" in error.absolute_schema_path,
        own=not error.relative_path,
    )
