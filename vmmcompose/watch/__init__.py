"""Keeping a project as its manifest says: something happens, and the spine looks again.

`agenda` and `restarts` decide, pure and on a clock given to them; `eyes` sees; `loop` lets one lead to the other;
`couriers` carry what changes in mounted directories, and `answers` knows who answers. `rules` decide, as purely, what
a manifest's `watch` makes of changes; `workshop` does it, with `bench` and `commands`.
"""

from vmmcompose.watch.answers import Answers
from vmmcompose.watch.couriers import Couriers
from vmmcompose.watch.eyes import Eyes
from vmmcompose.watch.loop import Course, Watcher
from vmmcompose.watch.notice import Notice
from vmmcompose.watch.workshop import Workshop

__all__ = ["Answers", "Couriers", "Course", "Eyes", "Notice", "Watcher", "Workshop"]
