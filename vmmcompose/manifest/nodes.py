"""The manifest as a tree of nodes that remember where they stand."""

from collections.abc import Iterator
from typing import Any, Literal

from vmmcompose.manifest.scalars import Scalar
from vmmcompose.manifest.text import LINE_BREAK
from vmmcompose.model.problem import Place

Kind = Literal["scalar", "list", "map"]
Tag = Literal["", "reset", "override"]
"""What a value does to the one of an earlier file: merge with it, remove it, take its place."""
Span = tuple[int, int, int, int]
"""First line, first column, last line, column behind the end; all from 0."""


class File:
    """A file that nodes come from: how messages call it, its text, and where its relative paths count from."""

    __slots__ = ("_lines", "base_dir", "name", "text")

    def __init__(self, name: str, text: str, base_dir: str = "/") -> None:
        self.name = name
        self.text = text
        self.base_dir = base_dir
        self._lines: list[str] | None = None

    @property
    def lines(self) -> list[str]:
        """The text in lines, as a parser counts them."""
        if self._lines is None:
            self._lines = LINE_BREAK.split(self.text)
        return self._lines

    def place(self, span: Span) -> Place:
        """The place of a span, cut to its first line."""
        line, column, last, end = span
        text = self.lines[line] if line < len(self.lines) else ""
        if last > line:
            end = len(text.rstrip())
        return Place(self.name, line + 1, column + 1, max(end, column + 1) + 1, text)


class Node:
    """One value of the file. Aliases share their node, so the tree is really a graph without cycles.

    `size` and `depth` count the values below as if every alias were written out.
    """

    __slots__ = (
        "children", "data", "depth", "file", "keys", "kind", "plain", "size", "span", "spoilt", "tag", "text",
        "varied",
    )  # fmt: skip

    def __init__(self, kind: Kind, span: Span, file: File) -> None:
        self.kind = kind
        self.span = span
        self.file = file
        self.data: Any = None
        """The value as plain Python data; containers share the data of shared nodes."""
        self.text = ""
        """A scalar as it is written, without quotes; where it held variables, with their values."""
        self.plain = False
        """Whether a scalar stands there without quotes and tag."""
        self.children: dict[str | int, Node] = _NONE if kind == "scalar" else {}
        """By key or index, merged keys included."""
        self.keys: dict[str, Node] = _NO_KEYS if kind == "scalar" else {}
        """The node of each key."""
        self.size = 1
        self.depth = 1
        self.tag: Tag = ""
        self.varied = False
        """Whether a scalar held variables: its type is then what is wanted there."""
        self.spoilt = False
        """Whether a problem has been told about a scalar already."""

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.file.place(self.span)

    def items(self) -> Iterator[tuple[str, "Node", "Node"]]:
        """(key, key's node, value's node) of a mapping."""
        for key, node in self.keys.items():
            yield key, node, self.children[key]

    def entries(self) -> dict[str, tuple["Node", "Node"]]:
        """A mapping's entries as `mapping` takes them."""
        return {key: (name, self.children[key]) for key, name in self.keys.items()}

    def is_null(self) -> bool:
        """Whether nothing stands there."""
        return self.kind == "scalar" and self.data is None and not self.varied


_NONE: dict[str | int, Node] = {}
_NO_KEYS: dict[str, Node] = {}
"""What all scalars have below them: two dictionaries for each would be most of what a large manifest costs."""


def scalar(value: Scalar, text: str, span: Span, file: File, *, plain: bool) -> Node:
    """A scalar's node."""
    node = Node("scalar", span, file)
    node.data, node.text, node.plain = value, text, plain
    return node


def mapping(like: Node, entries: dict[str, tuple[Node, Node]]) -> Node:
    """A mapping of (key's node, value's node), said to stand where `like` does."""
    node = Node("map", like.span, like.file)
    node.keys = {key: name for key, (name, _) in entries.items()}
    node.children = {key: child for key, (_, child) in entries.items()}
    node.data = {key: child.data for key, (_, child) in entries.items()}
    node.tag = like.tag
    return node


def without(node: Node, key: str) -> Node:
    """The same without an entry; the very same where it has none of that key, or is no mapping."""
    if key not in node.keys:
        return node
    entries = node.entries()
    del entries[key]
    return mapping(node, entries)


def sequence(like: Node, entries: list[Node]) -> Node:
    """A list, said to stand where `like` does."""
    node = Node("list", like.span, like.file)
    node.children = dict(enumerate(entries))
    node.data = [child.data for child in entries]
    node.tag = like.tag
    return node
