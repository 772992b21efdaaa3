"""Pictures: a project or a plan as a `Graph` (`project.py`, `steps.py`), and a `Graph` as text (one writer a file)."""

from collections.abc import Callable, Mapping

from vmmcompose.render.graph.dot import dot
from vmmcompose.render.graph.mermaid import mermaid
from vmmcompose.render.graph.project import Seen, project_graph
from vmmcompose.render.graph.steps import plan_graph
from vmmcompose.render.graph.values import Graph

WRITERS: Mapping[str, Callable[[Graph], str]] = {"mermaid": mermaid, "dot": dot}

__all__ = ["WRITERS", "Graph", "Seen", "dot", "mermaid", "plan_graph", "project_graph"]
