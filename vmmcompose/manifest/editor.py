"""The JSON Schema for editors: as vmm's own, but a variable may stand for any value.

vmm checks what the variables come to, an editor sees `cpus: ${CPUS}` as it is written.
"""

import json
from typing import Any

from vmmcompose.manifest.schema import schema_text

_VARIABLE = {"type": "string", "pattern": r"\$"}
_WORDS = ("title", "description", "default", "examples")
"""What an editor shows; it stays beside the alternatives, where it is looked for."""
_MAPS = ("properties", "$defs", "patternProperties")
_BELOW = ("items", "additionalProperties")


def editor_schema() -> str:
    """The schema's text."""
    schema = json.loads(schema_text())
    return json.dumps(_opened(schema), indent=2, ensure_ascii=False) + "\n"


def _opened(schema: Any) -> Any:  # noqa: ANN401 - a schema, or `false`
    """A schema that takes a string with a variable wherever it takes a value that is no free string."""
    if not isinstance(schema, dict):
        return schema
    found = {key: _part(key, value) for key, value in schema.items()}
    if "oneOf" in found:
        # A variable may fit several forms at once.
        found["anyOf"] = found.pop("oneOf")
    if not _is_narrow(schema):
        return found
    words = {key: found.pop(key) for key in _WORDS if key in found}
    return {**words, "anyOf": [found, _VARIABLE]}


def _part(key: str, value: Any) -> Any:  # noqa: ANN401
    if key in _MAPS:
        return {name: _opened(inner) for name, inner in value.items()}
    if key == "oneOf":
        return [_opened(inner) for inner in value]
    return _opened(value) if key in _BELOW else value


def _is_narrow(schema: dict[str, Any]) -> bool:
    types = schema.get("type", ())
    names = {types} if isinstance(types, str) else set(types)
    if "enum" in schema or "pattern" in schema or "maxLength" in schema:
        return bool(names <= {"string", "integer", "number"})
    return bool(names & {"integer", "number", "boolean"}) and "string" not in names
