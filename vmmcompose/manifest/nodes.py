"""The manifest as a tree of nodes that remember where they stand."""

from collections.abc import Iterator
from typing import Any, Literal

from vmmcompose.manifest.scalars import Scalar

Kind = Literal["scalar", "list", "map"]
Span = tuple[int, int, int, int]
"""First line, first column, last line, column behind the end; all from 0."""


class Node:
    """One value of the file. Aliases share their node, so the tree is really a graph without cycles.

    `size` and `depth` count the values below as if every alias were written out.
    """

    __slots__ = ("children", "data", "depth", "keys", "kind", "plain", "size", "span", "text")

    def __init__(self, kind: Kind, span: Span) -> None:
        self.kind = kind
        self.span = span
        self.data: Any = None
        """The value as plain Python data; containers share the data of shared nodes."""
        self.text = ""
        """A scalar as it is written, without quotes."""
        self.plain = False
        """Whether a scalar stands there without quotes and tag."""
        self.children: dict[str | int, Node] = {}
        """By key or index, merged keys included."""
        self.keys: dict[str, Node] = {}
        """The node of each key."""
        self.size = 1
        self.depth = 1

    def items(self) -> Iterator[tuple[str, "Node", "Node"]]:
        """(key, key's node, value's node) of a mapping."""
        for key, node in self.keys.items():
            yield key, node, self.children[key]


def scalar(value: Scalar, text: str, span: Span, *, plain: bool) -> Node:
    """A scalar's node."""
    node = Node("scalar", span)
    node.data, node.text, node.plain = value, text, plain
    return node
