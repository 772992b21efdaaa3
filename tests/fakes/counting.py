"""Work as a number that is the same on every machine, however busy it is."""

import sys
from collections.abc import Callable
from types import FrameType


def calls_of(task: Callable[[], object]) -> int:
    """How many functions are called to do a task, those of C included."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        task()
    finally:
        sys.setprofile(before)
    return calls


def grows_steadily(work: Callable[[int], int], few: int, many: int) -> bool:
    """Whether the work grows with the size of a task and not faster, but for a logarithm."""
    return work(many) < 1.5 * work(few) * many / few
