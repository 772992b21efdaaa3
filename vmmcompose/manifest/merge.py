"""Two manifests to one, after the compose specification, 13-merge.md.

Mappings are merged key by key, a scalar takes the other's place, lists are appended. Lists whose entries have a key
of their own (`listmerge`) are merged by it. `!reset` and `!override` work at every level. `docs/manifest.md` has
the rules, and what is different from compose.
"""

from collections.abc import Callable

from vmmcompose.manifest.listmerge import RULES, Rule
from vmmcompose.manifest.nodes import Node, mapping, sequence

_KINDS = ("tcp", "http", "command")
"""A healthcheck has one of these."""


def merge_manifests(base: Node, over: Node) -> Node:
    """A whole manifest with another on top of it. Neither is changed; parts are shared."""
    return _mappings(base, over, lambda key: _SECTIONS.get(key, merge))


def merge_vms(base: Node, over: Node) -> Node:
    """One VM, or the defaults, with another on top."""
    return _either(base, over, lambda one, two: _mappings(one, two, _vm_rule))


def merge(base: Node, over: Node) -> Node:
    """Any other value."""
    return _either(base, over, lambda one, two: _mappings(one, two, lambda _key: merge))


def without_reset(node: Node) -> Node:
    """The tree without what `!reset` has removed."""
    if node.kind == "scalar":
        return node
    kept = {key: without_reset(child) for key, child in node.children.items() if child.tag != "reset"}
    if len(kept) == len(node.children) and all(node.children[key] is child for key, child in kept.items()):
        return node
    if node.kind == "list":
        return sequence(node, list(kept.values()))
    return mapping(
        node, {key: (node.keys[key], child) for key, child in kept.items() if isinstance(key, str)}
    )


def _each_vm(base: Node, over: Node) -> Node:
    return _either(base, over, lambda one, two: _mappings(one, two, lambda _key: merge_vms))


def _vm_rule(key: str) -> Rule:
    if key == "healthcheck":
        return _healthcheck
    by_key = RULES.get(key)
    if by_key is None:
        return merge
    return lambda base, over: _tagged(base, over) or by_key(base, over) or merge(base, over)


def _healthcheck(base: Node, over: Node) -> Node:
    """As any mapping, but what is checked and a command are replaced whole."""
    if (
        over.kind == "map"
        and base.kind == "map"
        and not over.tag
        and any(kind in over.keys for kind in _KINDS)
    ):
        rest = {key: (name, child) for key, name, child in base.items() if key not in _KINDS}
        base = mapping(base, rest)
    return merge(base, over)


_SECTIONS: dict[str, Rule] = {"vms": _each_vm, "defaults": merge_vms}


def _either(base: Node, over: Node, mappings: Callable[[Node, Node], Node]) -> Node:
    decided = _tagged(base, over)
    if decided:
        return decided
    if base.kind == over.kind == "map":
        return mappings(base, over)
    if base.kind == over.kind == "list":
        return sequence(base, [*base.children.values(), *over.children.values()])
    return over


def _tagged(base: Node, over: Node) -> Node | None:
    """What a tag, or nothing in one place, decides."""
    if over.tag or base.tag == "reset" or base.is_null():
        return over
    return base if over.is_null() and base.kind != "scalar" else None


def _mappings(base: Node, over: Node, rule: Callable[[str], Rule]) -> Node:
    entries = base.entries()
    for key, name, child in over.items():
        below = entries.get(key)
        if below is None:
            entries[key] = name, child
            continue
        merged = rule(key)(below[1], child)
        entries[key] = below[0] if merged.kind == "map" and merged is not child else name, merged
    return mapping(base, entries)
