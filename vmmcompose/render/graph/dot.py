"""A picture in Graphviz's language (https://graphviz.org/doc/info/lang.html).

Labels are HTML-like (https://graphviz.org/doc/info/shapes.html#html): a bold title with small lines below it. All
ids are numbered here, so that no text of a user's becomes syntax.
"""

import unicodedata
from collections.abc import Iterable

from vmmcompose.render.graph import style
from vmmcompose.render.graph.values import Cluster, Edge, Graph, Node

_SHAPES = {
    "vm": "box",
    "port": "box",
    "volume": "cylinder",
    "folder": "folder",
    "step": "box",
    "note": "note",
}
_DEPTH = "  "


def dot(graph: Graph) -> str:
    """The picture's source text."""
    return _Writer(graph).text()


class _Writer:
    """Writes one picture."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.names = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
        self.frames = {cluster.id: f"cluster_{number}" for number, cluster in enumerate(graph.clusters)}
        self.nodes = {node.id: node for node in graph.nodes}
        self.inner: dict[str, list[Cluster]] = {}
        for cluster in graph.clusters:
            self.inner.setdefault(cluster.parent, []).append(cluster)

    def text(self) -> str:
        framed = {node for cluster in self.graph.clusters for node in cluster.nodes}
        lines = ["digraph vmm {", *_indented(_settings(self.graph.title))]
        for cluster in self.inner.get("", ()):
            lines += _indented(self.cluster(cluster))
        lines += _indented(self.node(node) for node in self.graph.nodes if node.id not in framed)
        lines += _indented(self.edge(edge) for edge in self.graph.edges)
        return "\n".join([*lines, "}"]) + "\n"

    def cluster(self, cluster: Cluster) -> list[str]:
        paint = style.CLUSTERS[cluster.kind]
        head = _attributes(
            label=_bold(cluster.title, 11),
            labeljust="l",
            style=_quote("rounded,filled"),
            fillcolor=_quote(paint.fill),
            color=_quote(paint.border),
            fontcolor=_quote(style.SOFT_INK),
        )
        lines = [f"subgraph {self.frames[cluster.id]} {{", f"{_DEPTH}graph {head}"]
        lines += _indented(self.node(self.nodes[node]) for node in cluster.nodes)
        lines += _indented(self.columns(cluster))
        for inner in self.inner.get(cluster.id, ()):
            lines += _indented(self.cluster(inner))
        return [*lines, "}"]

    def columns(self, cluster: Cluster) -> Iterable[str]:
        """What leads into the host stands in one column, what the host gives in another."""
        for kinds in (("port",), ("folder", "volume")):
            names = [self.names[node] for node in cluster.nodes if self.nodes[node].kind in kinds]
            if len(names) > 1:
                yield f"{{ rank=same; {'; '.join(names)} }}"

    def node(self, node: Node) -> str:
        paint = style.paint_of(node)
        rounded = "rounded,filled" if _SHAPES[node.kind] == "box" else "filled"
        body = _attributes(
            label=_node_label(node),
            shape=_SHAPES[node.kind],
            style=_quote(f"{rounded},dashed" if node.dim else rounded),
            fillcolor=_quote(paint.fill),
            color=_quote(paint.border),
            margin=_quote("0.16,0.09" if node.kind == "vm" else "0.12,0.06"),
        )
        return f"{self.names[node.id]} {body}"

    def edge(self, edge: Edge) -> str:
        attributes = {}
        if edge.source in self.frames:
            attributes["ltail"] = self.frames[edge.source]
        if edge.target in self.frames:
            attributes["lhead"] = self.frames[edge.target]
        if edge.label:
            attributes["label"] = _small(edge.label, style.FAINT_INK if edge.dim else style.SOFT_INK)
        if edge.dashed:
            attributes["style"] = "dashed"
        if edge.dim:
            attributes["color"] = _quote(style.FAINT_LINE)
        ends = f"{self.end(edge.source)} -> {self.end(edge.target)}"
        return f"{ends} {_attributes(**attributes)}" if attributes else f"{ends};"

    def end(self, place: str) -> str:
        """A node of that id, or the middle one of a cluster: Graphviz draws arrows between nodes only."""
        if place in self.names:
            return self.names[place]
        members = next(cluster.nodes for cluster in self.graph.clusters if cluster.id == place)
        return self.names[members[len(members) // 2]]


def _settings(title: str) -> Iterable[str]:
    yield "graph " + _attributes(
        rankdir="LR",
        compound="true",
        bgcolor=_quote(style.PAPER),
        pad='"0.3"',
        nodesep='"0.28"',
        ranksep='"0.75"',
        fontname=_quote(style.FONT),
        label=_bold(title, 14) if title else '""',
        labelloc="t",
        labeljust="l",
        fontcolor=_quote(style.INK),
    )
    yield "node " + _attributes(
        fontname=_quote(style.FONT), fontsize="12", fontcolor=_quote(style.INK), penwidth='"1.2"'
    )
    yield "edge " + _attributes(
        fontname=_quote(style.FONT),
        fontsize="10",
        color=_quote(style.LINE),
        arrowsize='"0.7"',
        penwidth='"1.2"',
    )


def _node_label(node: Node) -> str:
    ink, soft = (style.FAINT_INK, style.FAINT_INK) if node.dim else (style.INK, style.SOFT_INK)
    title = f"<B>{escape(node.title)}</B>" if node.kind in _BOLD else escape(node.title)
    head = f'<FONT COLOR="{ink}">{title}</FONT>'
    if not node.state and not node.lines:
        return f"<{head}>"
    small = f'<FONT POINT-SIZE="10" COLOR="{soft}">'
    rows = [f"{_LEFT}{head}</TD>{_state(node)}"]
    rows += [f"{_LEFT_WIDE}{small}{escape(line)}</FONT></TD>" for line in node.lines]
    cells = "".join(f"<TR>{row}</TR>" for row in rows)
    return f'<<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="0" CELLPADDING="1">{cells}</TABLE>>'


_BOLD = ("vm", "port", "volume")
_LEFT, _LEFT_WIDE = '<TD ALIGN="LEFT">', '<TD ALIGN="LEFT" COLSPAN="2">'


def _state(node: Node) -> str:
    if not node.state:
        return "<TD></TD>"
    color = style.state_color(node.state)
    return f'<TD ALIGN="RIGHT"><FONT POINT-SIZE="10" COLOR="{color}">● {escape(node.state)}</FONT></TD>'


def _bold(text: str, points: int) -> str:
    return f'<<FONT POINT-SIZE="{points}"><B>{escape(text)}</B></FONT>>'


def _small(text: str, color: str) -> str:
    return f'<<FONT COLOR="{color}">{escape(text)}</FONT>>'


def escape(text: str) -> str:
    """Text in an HTML-like label; what XML has no place for is replaced. Empty text would be no label at all."""
    shown = "".join(_legal(character) for character in text)
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        shown = shown.replace(character, entity)
    return shown or " "


def _legal(character: str) -> str:
    return "\ufffd" if unicodedata.category(character) in ("Cc", "Cs", "Cn", "Co", "Zl", "Zp") else character


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _attributes(**values: str) -> str:
    return "[" + ", ".join(f"{name}={value}" for name, value in values.items()) + "];"


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"{_DEPTH}{line}" for line in lines]
