"""Values with variables get the type that is wanted where they stand.

A variable's value has no type of its own, so quotes do not matter: it is a whole number where one is wanted, else a
string where a string will do, else what the text would be in YAML.
"""

import re

from vmmcompose.manifest.nodes import Node
from vmmcompose.manifest.replicas import INDEX, PLAIN_INDEX
from vmmcompose.manifest.scalars import Scalar, plain_value
from vmmcompose.manifest.schema import types_at
from vmmcompose.manifest.source import At

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,99}|0o[0-7]+|0x[0-9a-fA-F]+")
_NAMES = {int: "integer", float: "number", bool: "boolean", type(None): "null"}


def give_types(root: Node) -> bool:
    """Types all scalars that held variables; whether one of them waits for a replica's number."""
    return _below(root, ())


def _below(node: Node, at: At) -> bool:
    marked = False
    for key, child in node.children.items():
        if child.kind != "scalar":
            marked |= _below(child, (*at, key))
        elif child.varied and not child.spoilt:
            node.data[key] = child.data = _typed(child, types_at((*at, key)))
            marked |= INDEX in child.text
        else:
            node.data[key] = child.data
    return marked


def _typed(node: Node, types: frozenset[str]) -> Scalar:
    text = node.text
    if INDEX in text:
        plain = "integer" in types if types else node.plain
        return text.replace(INDEX, PLAIN_INDEX) if plain else text
    if "integer" in types and _WHOLE.fullmatch(text):
        return plain_value(text)
    if "string" in types:
        return text
    value = plain_value(text)
    return value if node.plain or _NAMES.get(type(value)) in types else text
