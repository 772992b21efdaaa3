"""Colours and shapes that all writers share: calm, and readable on a light page as on a dark one."""

from dataclasses import dataclass

from vmmcompose.render.graph.values import ClusterKind, Node, Tone

FONT = "Helvetica,Arial,sans-serif"
PAPER = "#ffffff"
INK = "#1f2937"
SOFT_INK = "#5b6675"
FAINT_INK = "#9aa3af"
LINE = "#7b8794"
FAINT_LINE = "#c5ccd4"


@dataclass(frozen=True, slots=True)
class Paint:
    """A fill and the border that goes with it."""

    fill: str
    border: str


_KINDS = {
    "vm": Paint("#eef4fd", "#7ba4dc"),
    "port": Paint("#fdf4e3", "#d9a94e"),
    "volume": Paint("#eaf6ef", "#6db38c"),
    "folder": Paint("#f4f0fa", "#a58fd0"),
    "note": Paint("#f6f7f9", "#c5ccd4"),
}
_TONES: dict[Tone, Paint] = {
    "plain": Paint("#f6f7f9", "#aab3be"),
    "create": Paint("#eaf6ef", "#6db38c"),
    "run": Paint("#e7f0fc", "#6f9bd8"),
    "wait": Paint("#f4f0fa", "#a58fd0"),
    "change": Paint("#fdf4e3", "#d9a94e"),
    "stop": Paint("#fcefe6", "#dc9566"),
    "lose": Paint("#fcebec", "#d9707a"),
    "quiet": Paint("#f6f7f9", "#c5ccd4"),
}
DIM = Paint("#fafbfc", "#d5dae0")
CLUSTERS: dict[ClusterKind, Paint] = {
    "host": Paint("#fafbfc", "#d5dae0"),
    "network": Paint("#f2f5f9", "#b9c6d6"),
    "replicas": Paint("#e4ecf7", "#a9c0de"),
    "group": Paint("#fafbfc", "#d5dae0"),
}
_STATES = {"running": "#2f9e63", "paused": "#c98a1b", "dead": "#cf3f4c", "interrupted": "#cf3f4c"}
QUIET_STATE = "#8a94a1"


def paint_of(node: Node) -> Paint:
    """A node's colours."""
    if node.dim:
        return DIM
    return _TONES[node.tone] if node.kind == "step" else _KINDS[node.kind]


def state_color(state: str) -> str:
    """The colour of the dot before a VM's state."""
    return _STATES.get(state, QUIET_STATE)
