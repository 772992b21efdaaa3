"""A manifest as it is understood: one file that means the same, each value with where it comes from."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from vmmcompose.manifest.nodes import Node, mapping, scalar
from vmmcompose.manifest.rebase import rebase
from vmmcompose.manifest.replicas import INDEX, PLAIN_INDEX, VARIABLE
from vmmcompose.manifest.scalars import plain_value
from vmmcompose.manifest.schema import types_at
from vmmcompose.manifest.source import At
from vmmcompose.manifest.text import UNPRINTABLE, escaped
from vmmcompose.model.problem import Place

_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./+@%=,-]*(?:[ :][A-Za-z0-9_./+@%=,-]+)*")
"""Strings that need no quotes, whoever reads them."""
_YAML_1_1 = re.compile(r"(?i:y|n|yes|no|on|off|true|false|null|~)|[-+]?[0-9.][0-9_.:eExXa-fA-F+-]*")
"""Those that older readers take for something else."""
_UNPRINTABLE = re.compile(f"\r|{UNPRINTABLE.pattern}")
_OCTAL = re.compile(r"0o([0-7]+)")


def shown_manifest(root: Node, project: str) -> Node:
    """The tree that is shown: with its name, absolute paths, and `$` doubled."""
    root = rebase(root)
    entries = root.entries()
    if "name" not in entries:
        name = scalar("name", "name", (0, 0, 0, 0), root.file, plain=True)
        entries = {"name": (name, name), **entries}
    name, value = entries["name"]
    entries["name"] = name, scalar(project, project, value.span, value.file, plain=False)
    return _prepared(mapping(root, entries), ())


def as_json(value: object) -> str:
    """Data of a tree from `shown_manifest` as JSON that a reader of YAML takes as well."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def origins(node: Node) -> Any:  # noqa: ANN401 - data
    """The same shape, with `file:line` for every value."""
    if node.kind == "list" and node.children:
        return [origins(child) for child in node.children.values()]
    if node.kind == "map" and node.children:
        return {key: origins(child) for key, child in node.children.items()}
    return _origin(node)


def as_yaml(root: Node, *, with_origins: bool = False) -> str:
    """The text of a tree from `shown_manifest`; with `with_origins` each value has a comment `file:line`."""
    return "".join(f"{line}\n" for line in _block(root, "", with_origins=with_origins))


def _prepared(node: Node, at: At) -> Node:
    if node.kind == "scalar":
        value = _value(node, at)
        return scalar(value, node.text, node.span, node.file, plain=False)
    copy = Node(node.kind, node.span, node.file)
    copy.keys = node.keys
    copy.children = {key: _prepared(child, (*at, key)) for key, child in node.children.items()}
    parts = copy.children.items()
    copy.data = (
        [child.data for _, child in parts] if node.kind == "list" else {k: child.data for k, child in parts}
    )
    return copy


def _value(node: Node, at: At) -> Any:  # noqa: ANN401 - a scalar
    """A scalar whose type does not depend on how it was written: `1.10` of an `env` is the string."""
    value = node.data
    if isinstance(value, str):
        text = value.replace("$", "$$")
        return text.replace(INDEX, VARIABLE).replace(PLAIN_INDEX, VARIABLE)
    if isinstance(value, float) and not math.isfinite(value):
        return node.text  # in `x-…` only; JSON has no such number
    octal = _OCTAL.fullmatch(node.text)
    if octal and at[-1:] == ("mode",):
        return octal[1].rjust(4, "0")
    types = types_at(at)
    if isinstance(value, bool) or value is None or "string" not in types:
        return value if not isinstance(value, bool) or "string" not in types else node.text
    return value if "integer" in types else node.text


def _block(node: Node, indent: str, *, with_origins: bool) -> Iterator[str]:
    """The lines of a mapping or list that is not empty."""
    for key, child in node.children.items():
        head = f"{indent}-" if node.kind == "list" else f"{indent}{_string(str(key))}:"
        inner = indent + "  "
        if child.children:
            lines = _block(child, inner, with_origins=with_origins)
            if node.kind == "list" and child.kind == "map":
                first = next(lines)
                yield f"{head} {first[len(inner) :]}"
            else:
                yield head
            yield from lines
            continue
        text, more = _scalar(child, inner)
        comment = f"  # {_origin(child)}" if with_origins else ""
        yield f"{head}{' ' if text else ''}{text}{comment}"
        yield from more


def _scalar(node: Node, indent: str) -> tuple[str, list[str]]:
    """What stands behind the key, and the lines below it."""
    value = node.data
    if node.kind != "scalar":
        return ("[]" if node.kind == "list" else "{}"), []
    if not isinstance(value, str):
        return ("" if value is None else json.dumps(value)), []
    lines = value.split("\n")
    if (
        len(lines) < 2
        or _UNPRINTABLE.search(value)
        or any(line != line.strip() and not line.strip() for line in lines)
    ):
        return _string(value), []
    if lines[0][:1] in (" ", "\t", "") or value.endswith("\n\n"):
        return _string(value), []
    ended = lines[-1] == ""
    body = lines[:-1] if ended else lines
    return ("|" if ended else "|-"), [f"{indent}{line}" if line else "" for line in body]


def _string(text: str) -> str:
    fits = _PLAIN.fullmatch(text) and not _YAML_1_1.fullmatch(text) and plain_value(text) == text
    if fits and ": " not in text and not text.endswith(":"):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: escaped(found[0]), quoted)


def _origin(node: Node) -> str:
    place: Place = node.place
    return f"{place.file}:{place.line}"
