"""Doing what a plan says: `executor.py` walks the graph, `actions.py` has one short function per action.

Nothing here decides; a step that fails skips its dependants and lets the rest finish.
"""

from vmmcompose.apply.context import Context, Patience
from vmmcompose.apply.executor import execute, write_intents

__all__ = ["Context", "Patience", "execute", "write_intents"]
