"""Lists of a VM that are merged by a key of their entries, whichever way each is written.

A rule gets both values and returns None where they are no lists or mappings that it knows; the schema then says
what is wrong with them.
"""

from collections.abc import Callable, Iterable
from typing import Any

from vmmcompose.manifest.network import FORWARD
from vmmcompose.manifest.nodes import Node, mapping, scalar, sequence

Rule = Callable[[Node, Node], Node]
ListRule = Callable[[Node, Node], Node | None]
KeyOf = Callable[[Node], object]
"""An entry's key; None for one that has none."""


def _by_key(key_of: KeyOf) -> ListRule:
    def rule(base: Node, over: Node) -> Node | None:
        if base.kind != "list" or over.kind != "list":
            return None
        return sequence(base, _entries(base.children.values(), over.children.values(), key_of))

    return rule


def _entries(base: Iterable[Node], over: Iterable[Node], key_of: KeyOf) -> list[Node]:
    """Each entry of `over` in the place of the first one of `base` with its key, or behind them all."""
    result = list(base)
    free: dict[object, int] = {}
    for index, node in enumerate(result):
        free.setdefault(key_of(node), index)
    for node in over:
        key = key_of(node)
        if key is not None and key in free:
            result[free.pop(key)] = node
        else:
            result.append(node)
    return result


def _port(node: Node) -> object:
    if node.kind == "map":
        host, bind = node.data.get("host"), node.data.get("bind") or ""
        key = (bind, str(host), node.data.get("protocol", "tcp")) if host is not None else None
    else:
        found = FORWARD.fullmatch(str(node.data))
        key = (found["bind"] or "", found["host"], (found["protocol"] or "tcp").lower()) if found else None
    return ("", *key[1:]) if key and key[0] == "0.0.0.0" else key  # noqa: S104 - the same as no address


def _mount(node: Node) -> object:
    if node.kind == "map":
        return _word(node, "tag")
    head, _, last = str(node.data).rpartition(":")
    return head.rpartition(":")[2] if last in ("ro", "rw") and ":" in head else last if head else None


def _volume(node: Node) -> object:
    if node.kind == "map":
        return _word(node, "target")
    parts = str(node.data).split(":")
    return parts[1] if len(parts) > 1 else None


def _provision(node: Node) -> object:
    return _word(node, "name") if node.kind == "map" else None


def _path(node: Node) -> object:
    return _word(node, "path") if node.kind == "map" else None


def _pair(node: Node) -> object:
    return str(node.data).partition("=")[0] if node.kind == "scalar" else None


def _text(node: Node) -> object:
    return node.data if node.kind == "scalar" else None


def _word(node: Node, key: str) -> object:
    value: Any = node.data.get(key)
    return value if isinstance(value, str) else None


def _files(base: Node, over: Node) -> Node | None:
    """A file takes the other's place whole: half of one and half of the other would be nobody's."""
    if base.kind == over.kind == "map":
        return mapping(base, {**base.entries(), **over.entries()})
    return _by_key(_path)(_as_files(base), _as_files(over))


def _pairs(base: Node, over: Node) -> Node | None:
    if base.kind == over.kind == "map":
        return mapping(base, {**base.entries(), **over.entries()})
    return _by_key(_pair)(_as_pairs(base), _as_pairs(over))


def _depends_on(base: Node, over: Node) -> Node | None:
    if base.kind == over.kind == "list":
        return _by_key(_text)(base, over)
    base, over = _as_dependencies(base), _as_dependencies(over)
    if base.kind != "map" or over.kind != "map":
        return None
    merged = base.entries()
    for key, name, child in over.items():
        below = merged.get(key)
        if below and below[1].kind == child.kind == "map" and not child.tag:
            child = mapping(child, {**below[1].entries(), **child.entries()})  # noqa: PLW2901
        if not (below and child.is_null()):
            merged[key] = name, child
    return mapping(base, merged)


def _as_files(node: Node) -> Node:
    if node.kind != "map":
        return node
    return sequence(node, [_as_file(name, child) for _, name, child in node.items()])


def _as_file(name: Node, child: Node) -> Node:
    own = child.entries() if child.kind == "map" else {"content": (name, child)}
    path = scalar(name.text, name.text, name.span, name.file, plain=False)
    return mapping(child, {"path": (name, path), **own})


def _as_pairs(node: Node) -> Node:
    if node.kind != "map":
        return node
    return sequence(node, [_as_pair(name, child) for _, name, child in node.items()])


def _as_pair(name: Node, child: Node) -> Node:
    if child.kind != "scalar" or child.is_null():
        return child
    text = f"{name.text}={child.text}"
    pair = scalar(text, text, child.span, child.file, plain=False)
    pair.tag, pair.spoilt = child.tag, child.spoilt
    return pair


def _as_dependencies(node: Node) -> Node:
    names = list(node.children.values())
    if node.kind != "list" or any(name.kind != "scalar" for name in names):
        return node
    return mapping(node, {name.text: (name, _started(name)) for name in names})


def _started(name: Node) -> Node:
    condition = scalar("started", "started", name.span, name.file, plain=True)
    return mapping(name, {"condition": (name, condition)})


RULES: dict[str, ListRule] = {
    "depends_on": _depends_on,
    "env": _pairs,
    "files": _files,
    "labels": _pairs,
    "mounts": _by_key(_mount),
    "ports": _by_key(_port),
    "profiles": _by_key(_text),
    "provision": _by_key(_provision),
    "ssh_keys": _by_key(_text),
    "volumes": _by_key(_volume),
    "watch": _by_key(_path),
}
