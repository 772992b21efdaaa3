"""What a picture shows, before anybody decides how it is written down. Texts are anything at all: writers escape."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["vm", "port", "volume", "folder", "step", "note"]
Tone = Literal["plain", "create", "run", "wait", "change", "stop", "lose", "quiet"]
"""What a step does, as a colour: makes something, runs a guest, waits for one, changes what is there, ends a guest,
loses data or a thing, or only keeps books."""
ClusterKind = Literal["host", "network", "replicas", "group"]


@dataclass(frozen=True, slots=True)
class Node:
    """One box."""

    id: str
    kind: Kind
    title: str
    lines: tuple[str, ...] = ()
    """Smaller text below the title."""
    tone: Tone = "plain"
    state: str = ""
    """A VM's state in a word; empty where it is not known."""
    dim: bool = False
    """Whether it is only shown for completeness."""


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow. Its ends are ids of nodes or of clusters."""

    source: str
    target: str
    label: str = ""
    dashed: bool = False
    dim: bool = False


@dataclass(frozen=True, slots=True)
class Cluster:
    """A frame around nodes and other clusters, which name it as their parent."""

    id: str
    kind: ClusterKind
    title: str
    nodes: tuple[str, ...] = ()
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """A picture."""

    title: str
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    """Parents before their children."""
