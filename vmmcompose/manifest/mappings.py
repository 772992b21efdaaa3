"""Entries to a mapping: keys are words, each given once, and `<<` brings in other mappings."""

from collections.abc import Callable, Iterable

from vmmcompose.manifest.nodes import Node, Span

MERGE = "<<"
Note = Callable[[str, str, Span, str], None]
"""Takes the code, message, span and hint of a problem."""


def fill_mapping(node: Node, entries: Iterable[tuple[Node, Node]], note: Note) -> None:
    """Gives `node` its entries: its own keys first, then those of the mappings behind `<<`, in order.

    A key is its text, so `1` and `no` are words like any other.
    """
    merge: Node | None = None
    sources: list[Node] = []
    for key, value in entries:
        if key.kind != "scalar":
            note("key-type", "a key must be a word, not a list or a mapping", key.span, "")
        elif key.tag:
            note("tag", f"the tag `!{key.tag}` stands before a key", key.span, "put it behind the `:`")
        elif key.plain and key.text == MERGE:
            if merge is None:
                merge, sources = key, _sources(value, note)
            else:
                hint = "merge several mappings with `<<: [*first, *second]`"
                note(
                    "duplicate-key", f"`<<` is given twice, first on line {merge.span[0] + 1}", key.span, hint
                )
        elif key.text in node.keys:
            first = node.keys[key.text].span[0] + 1
            hint = "delete one of the two"
            note(
                "duplicate-key", f"the key `{key.text}` is given twice, first on line {first}", key.span, hint
            )
        else:
            node.keys[key.text], node.children[key.text] = key, value
    for source in sources:
        for text, key, value in source.items():
            if text not in node.keys:
                node.keys[text], node.children[text] = key, value
    node.data = {text: child.data for text, child in node.children.items()}


def _sources(value: Node, note: Note) -> list[Node]:
    wanted = list(value.children.values()) if value.kind == "list" else [value]
    other = next((source for source in wanted if source.kind != "map"), None)
    if other:
        hint = "write `<<: *name`, where `&name` marks a mapping"
        note("merge", "`<<` can only merge mappings", other.span, hint)
    return [source for source in wanted if source.kind == "map"]
