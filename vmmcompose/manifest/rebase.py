"""Relative paths, made absolute from the directory of the file that they stand in."""

from collections.abc import Callable, Iterator

from vmmcompose.manifest.locations import normalised
from vmmcompose.manifest.nodes import Node, mapping, scalar, sequence

Change = Callable[[Node], Node]

_DOTTED = ("./", "../")


def rebase(root: Node, base_dir: str = "") -> Node:
    """The manifest with absolute paths wherever one counts from another directory than `base_dir`."""
    return _Rebasing(base_dir).manifest(root)


class _Rebasing:
    """Copies what changes, and only that."""

    def __init__(self, base_dir: str) -> None:
        self._base_dir = base_dir
        self._rules: dict[str, Change] = {
            "image": self._store_item,
            "kernel": self._store_item,
            "mounts": lambda node: _each(node, self._mount),
            "ssh_keys": lambda node: _each(node, self._ssh_key),
            "files": lambda node: _each(node, lambda file: _keyed(file, {"source": self._path})),
            "provision": lambda node: _each(node, lambda one: _keyed(one, {"script": self._path})),
            "watch": lambda node: _each(node, lambda rule: _keyed(rule, {"path": self._path})),
        }

    def manifest(self, root: Node) -> Node:
        return _keyed(root, {"vms": lambda vms: _each(vms, self._vm), "defaults": self._vm})

    def _vm(self, node: Node) -> Node:
        return _keyed(node, self._rules)

    def _path(self, node: Node) -> Node:
        text = node.data
        base = node.file.base_dir
        relative = isinstance(text, str) and text.strip() and not text.startswith(("/", "~"))
        return _with(node, normalised(f"{base}/{text}")) if relative and base != self._base_dir else node

    def _store_item(self, node: Node) -> Node:
        return self._path(node) if str(node.data).startswith(_DOTTED) else node

    def _ssh_key(self, node: Node) -> Node:
        words = str(node.data).split(maxsplit=1)
        is_line = len(words) > 1 and words[0].startswith(("ssh-", "ecdsa-", "sk-"))
        return node if is_line or "PRIVATE KEY" in str(node.data) else self._path(node)

    def _mount(self, node: Node) -> Node:
        if node.kind != "scalar":
            return _keyed(node, {"source": self._path})
        source, colon, rest = str(node.data).partition(":")
        if not colon:
            return node
        changed = self._path(_with(node, source))
        return _with(node, f"{changed.data}:{rest}") if changed.data != source else node


def _with(node: Node, text: str) -> Node:
    changed = scalar(text, text, node.span, node.file, plain=node.plain)
    changed.tag, changed.varied, changed.spoilt = node.tag, node.varied, node.spoilt
    return changed


def _each(node: Node, change: Change) -> Node:
    """A list or a mapping with each entry changed."""
    children = {key: change(child) for key, child in node.children.items()}
    return _rebuilt(node, children)


def _keyed(node: Node, changes: dict[str, Change]) -> Node:
    """A mapping with some of its entries changed."""
    if node.kind != "map":
        return node
    children = {key: changes[key](child) if key in changes else child for key, child in _named(node)}
    return _rebuilt(node, children)


def _named(node: Node) -> Iterator[tuple[str, Node]]:
    return ((key, child) for key, _, child in node.items())


def _rebuilt(node: Node, children: dict) -> Node:  # type: ignore[type-arg]
    if all(child is node.children[key] for key, child in children.items()):
        return node
    if node.kind == "list":
        return sequence(node, list(children.values()))
    return mapping(node, {key: (node.keys[key], child) for key, child in children.items()})
