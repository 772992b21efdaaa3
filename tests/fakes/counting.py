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


def grows_like(few: int, many: int, size: int) -> bool:
    """Whether the work for a task of `size` times the size is at most so much more, with some room for a logarithm."""
    return many < few * size * 1.5
