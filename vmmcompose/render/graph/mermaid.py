"""A picture in Mermaid's flowchart language (https://mermaid.js.org/syntax/flowchart.html), which many forges draw.

All ids are numbered here. A character of a label that could mean anything to Mermaid, Markdown or HTML is written as
its entity, `#NN;`.
"""

import re
import unicodedata
from collections.abc import Iterable

from vmmcompose.render.graph import style
from vmmcompose.render.graph.values import Cluster, Edge, Graph, Kind, Node

_SHAPES: dict[Kind, tuple[str, str]] = {
    "vm": ("(", ")"),
    "port": ("([", "])"),
    "volume": ("[(", ")]"),
    "folder": ("[/", "/]"),
    "step": ("(", ")"),
    "note": ("[", "]"),
}
_PLAIN = frozenset(" .,:-_/()'…·●")
_LIST = re.compile(r"^( *)(\d+)\.(?= |$)|^( *)-(?= |$)")
"""What Markdown would take for an entry of a list, which Mermaid refuses."""
_DEPTH = "  "


def mermaid(graph: Graph) -> str:
    """The picture's source text."""
    names = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    names |= {cluster.id: f"g{number}" for number, cluster in enumerate(graph.clusters)}
    framed = {node for cluster in graph.clusters for node in cluster.nodes}
    lines = ["flowchart LR"]
    for cluster in graph.clusters:
        if not cluster.parent:
            lines += _indented(_cluster(cluster, graph, names))
    lines += _indented(_node(node, names) for node in graph.nodes if node.id not in framed)
    lines += _indented(_edge(edge, names) for edge in graph.edges)
    lines += _indented(_styles(graph, names))
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Text inside a quoted label."""
    return _LIST.sub(_no_list, "".join(map(_escaped, text))) or " "


def _no_list(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}#46;" if found[2] else f"{found[3]}#45;"


def _escaped(character: str) -> str:
    if character.isalnum() or character in _PLAIN:
        return character
    if unicodedata.category(character) in ("Cc", "Cs", "Cn", "Co", "Zl", "Zp"):
        return "\ufffd"
    return f"#{ord(character)};"


def _cluster(cluster: Cluster, graph: Graph, names: dict[str, str]) -> list[str]:
    nodes = {node.id: node for node in graph.nodes}
    lines = [f'subgraph {names[cluster.id]}["{escape(cluster.title)}"]']
    lines += _indented(_node(nodes[node], names) for node in cluster.nodes)
    for inner in graph.clusters:
        if inner.parent == cluster.id:
            lines += _indented(_cluster(inner, graph, names))
    return [*lines, "end"]


def _node(node: Node, names: dict[str, str]) -> str:
    begin, end = _SHAPES[node.kind]
    state = (f"● {node.state}",) if node.state else ()
    label = "<br/>".join(escape(line) for line in (node.title, *node.lines, *state))
    return f'{names[node.id]}{begin}"{label}"{end}'


def _edge(edge: Edge, names: dict[str, str]) -> str:
    arrow = "-.->" if edge.dashed else "-->"
    label = f'|"{escape(edge.label)}"|' if edge.label else ""
    return f"{names[edge.source]} {arrow}{label} {names[edge.target]}"


def _styles(graph: Graph, names: dict[str, str]) -> Iterable[str]:
    painted: dict[style.Paint, list[str]] = {}
    dim: list[str] = []
    for node in graph.nodes:
        (dim if node.dim else painted.setdefault(style.paint_of(node), [])).append(names[node.id])
    for number, (paint, members) in enumerate(painted.items()):
        yield f"classDef c{number} fill:{paint.fill},stroke:{paint.border},color:{style.INK}"
        yield f"class {','.join(members)} c{number}"
    if dim:
        faint = f"color:{style.FAINT_INK},stroke-dasharray:4"
        yield f"classDef dim fill:{style.DIM.fill},stroke:{style.DIM.border},{faint}"
        yield f"class {','.join(dim)} dim"
    for cluster in graph.clusters:
        paint = style.CLUSTERS[cluster.kind]
        yield f"style {names[cluster.id]} fill:{paint.fill},stroke:{paint.border},color:{style.SOFT_INK}"


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"{_DEPTH}{line}" for line in lines]
