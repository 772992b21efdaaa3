"""The file tree of the image `debian-12`."""

from pathlib import Path
from vmmcompose.images.packages import Progress


def make_tree(tree: Path, work: Path, on_progress: Progress) -> dict[str, str]:
    raise NotImplementedError
