"""Keeping a project as its manifest says: something happens, and the spine looks again.

`agenda` and `restarts` decide, pure and on a clock given to them; `eyes` sees; `loop` lets one lead to the other.
"""

from vmmcompose.watch.eyes import Eyes
from vmmcompose.watch.loop import Course, Watcher
from vmmcompose.watch.notice import Notice

__all__ = ["Course", "Eyes", "Notice", "Watcher"]
