"""What decides where a path leads, and whether there is something yet."""

import os
from collections.abc import Iterable

_MOST_LINKS = 40
"""On the way to one file, as for the kernel."""


def ways_to(path: str) -> list[str]:
    """A path, each link on the way, and where it leads in the end: any of them may be exchanged."""
    found = [path]
    left, here = path.split("/")[::-1], ""
    while left and len(found) <= _MOST_LINKS:
        name = left.pop()
        if name in {"", ".", ".."}:
            here = here.rpartition("/")[0] if name == ".." else here
            continue
        at = f"{here}/{name}"
        try:
            target = os.readlink(at)
        except OSError:
            here = at
            continue
        found.append(at)
        here = "" if target.startswith("/") else here
        left += target.split("/")[::-1]
    return [*found, here]


def still_empty(files: Iterable[str]) -> bool:
    """Whether files that were just made are to be written yet: when that is done they are told again."""
    for file in files:
        try:
            if os.lstat(file).st_size:
                return False  # a link, or written already
        except OSError:
            return False
    return True
