"""Pictures as text: whatever a label holds, it stays a label."""

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import shop_picture

from vmmcompose.render.graph import Graph, dot, mermaid
from vmmcompose.render.graph.dot import escape as dot_escape
from vmmcompose.render.graph.mermaid import escape as mermaid_escape
from vmmcompose.render.graph.values import Cluster, Edge, Node

HOSTILE = st.one_of(
    st.text(),
    st.sampled_from(
        [
            '"];evil',
            "</TD></TR></TABLE>>];",
            "-->",
            "end",
            "%%{init: {}}%%",
            "`**x**`",
            "1. list",
            "- list",
            "\\",
            '\\"',
            "<IMG SRC='/etc/passwd'/>",
            "&amp;",
            "#quot;",
            "\\N",
            "]\nclick n0 call f()",
            "\u202eltr",
        ]
    ),
)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    kinds = ("vm", "port", "volume", "folder", "step", "note")
    nodes = tuple(
        Node(
            f"{number}{draw(HOSTILE)}",
            draw(st.sampled_from(kinds)),
            draw(HOSTILE),
            tuple(draw(st.lists(HOSTILE, max_size=2))),
            state=draw(st.one_of(st.just(""), HOSTILE)),
            dim=draw(st.booleans()),
        )
        for number in range(draw(st.integers(1, 4)))
    )
    ids = [node.id for node in nodes]
    frame = Cluster("frame", "replicas", draw(HOSTILE), tuple(ids[: len(ids) // 2 + 1]))
    ends = st.sampled_from([*ids, "frame"])
    edges = draw(st.lists(st.builds(Edge, ends, ends, HOSTILE, st.booleans(), st.booleans()), max_size=3))
    return Graph(draw(HOSTILE), nodes, tuple(edges), (frame,))


MERMAID_LINE = re.compile(
    r"""flowchart\ LR | end
    | subgraph\ g\d+\["[^"<>&`|]*"\]
    | n\d+ (\( | \(\[ | \[\( | \[/ | \[ ) " (?:[^"<>&`|]|<br/>)* " (\) | \]\) | \)\] | /\] | \] )
    | [ng]\d+\ (-->|-\.->) (\|"[^"<>&`|]*"\|)? \ [ng]\d+
    | classDef\ (c\d+|dim)\ [a-z:#0-9,-]+
    | class\ n\d+(,n\d+)*\ (c\d+|dim)
    | style\ g\d+\ [a-z:#0-9,-]+""",
    re.VERBOSE,
)


@given(graphs())
def test_mermaid_has_only_lines_of_its_own_grammar(graph: Graph) -> None:
    lines = mermaid(graph).split("\n")
    assert lines.pop() == ""
    for line in lines:
        assert MERMAID_LINE.fullmatch(line.strip(" ")), line
    nodes = [line for line in lines if re.match(r" *n\d+[(\[]", line)]
    assert len(nodes) == len(graph.nodes)


@given(HOSTILE)
def test_mermaid_labels_read_back(text: str) -> None:
    shown = re.sub(r"#(\d+);", lambda found: chr(int(found[1])), mermaid_escape(text))
    assert shown == (text if text.isprintable() and text else shown)


@given(HOSTILE)
def test_dot_labels_are_xml_that_reads_back(text: str) -> None:
    inside = dot_escape(text)
    assert ET.fromstring(f"<b>{inside}</b>").text == unescape(inside)
    assert unescape(inside) == (text if text.isprintable() and text else unescape(inside))


def needs_graphviz() -> str:
    return "" if shutil.which("dot") else "Graphviz is not installed"


def read_by_graphviz(text: str) -> dict[str, list[dict[str, object]]]:
    done = subprocess.run(["dot", "-Tdot_json"], input=text.encode(), capture_output=True, check=False)
    assert done.returncode == 0
    assert "rror" not in done.stderr.decode()  # it warns of arrows from a frame to what is inside it
    value: dict[str, list[dict[str, object]]] = json.loads(done.stdout)
    return value


@pytest.mark.skipif(bool(needs_graphviz()), reason=needs_graphviz())
@settings(max_examples=40, deadline=None)
@given(graphs())
def test_graphviz_reads_as_many_nodes_and_arrows_as_were_drawn(graph: Graph) -> None:
    value = read_by_graphviz(dot(graph))
    names = [str(thing["name"]) for thing in value["objects"]]
    # `%` begins the name that Graphviz gives to a group without one.
    assert sorted(name for name in names if not name.startswith(("cluster", "%"))) == sorted(
        f"n{number}" for number in range(len(graph.nodes))
    )
    assert len(value.get("edges", [])) == len(graph.edges)


@pytest.mark.parametrize("write", [dot, mermaid])
def test_a_picture_is_the_same_every_time(write: Callable[[Graph], str]) -> None:
    assert write(shop_picture()) == write(shop_picture())


def test_an_arrow_to_a_frame_ends_at_it() -> None:
    text = dot(shop_picture())
    assert "n2 -> n0 [ltail=cluster_2" in text
    assert "g2 -.->" in mermaid(shop_picture())


def test_pale_things_are_drawn_pale() -> None:
    graph = shop_picture()
    bright = replace(graph, nodes=tuple(replace(node, dim=False) for node in graph.nodes))
    assert "rounded,filled,dashed" in dot(graph)
    assert "rounded,filled,dashed" not in dot(bright)
    assert "class n5,n12 dim" in mermaid(graph)
