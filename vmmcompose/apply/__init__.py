"""Doing what a plan says: `executor.py` walks the graph, `actions.py` has one short function per action.

Nothing here decides; a step that fails skips its dependants and lets the rest finish.
"""
