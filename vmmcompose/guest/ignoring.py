"""What of a mounted directory is left out: gitignore's patterns, and what is never carried."""

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from vmmcompose.guest.listing import always_ignored

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

FILE = ".vmmignore"
"""In the mounted directory: more patterns, one a line."""
_MOST_FOLDERS = 10_000


class Rules:
    """Says of a path whether it is left out."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._spec = _compiled(tuple(lines))
        self._folders: dict[str, bool] = {}
        """Whether a folder is left out, or one above it: a guest may show many paths that are very deep."""

    def ignores(self, path: str, *, folder: bool) -> bool:
        """Whether a path is left out by itself; what is in a folder that is left out is left out as well."""
        if always_ignored(path):
            return True
        return self._spec is not None and self._spec.match_file(f"{path}/" if folder else path)

    def ignores_above(self, path: str) -> bool:
        """Whether a folder that a path is in is left out."""
        missing: list[str] = []
        above = path.rpartition("/")[0]
        while above and above not in self._folders:
            missing.append(above)
            above = above.rpartition("/")[0]
        ignored = self._folders.get(above, False)
        if len(self._folders) > _MOST_FOLDERS:
            self._folders.clear()
        for folder in reversed(missing):
            ignored = ignored or self.ignores(folder, folder=True)
            self._folders[folder] = ignored
        return ignored


def load_patterns() -> None:
    """Loads what else comes with the first patterns. A process forked while a thread does so would wait forever."""
    _compiled(("*",))


@lru_cache(maxsize=8)
def _compiled(lines: tuple[str, ...]) -> "GitIgnoreSpec | None":
    if not any(line.strip() and not line.startswith("#") for line in lines):
        return None
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines(lines)
