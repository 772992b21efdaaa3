"""Small real images for the tests of disks."""

import hashlib
import os
import subprocess
from pathlib import Path

from vmmcompose.host.ext4 import make_image

Tree = dict[str, str | bytes | Path | None]
"""Relative path to: text or bytes of a file, a Path that a symbolic link leads to, None for a folder."""


def plant(folder: Path, tree: Tree) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if value is None:
            path.mkdir(exist_ok=True)
        elif isinstance(value, Path):
            path.symlink_to(value)
        else:
            path.write_bytes(value if isinstance(value, bytes) else value.encode())
    return folder


def image_of(folder: Path, tree: Tree, size_mib: int = 16) -> Path:
    """An image of that tree at `<folder>/image.ext4`."""
    target = folder / "image.ext4"
    make_image(plant(folder / "tree", tree), target, label="rootfs", size_mib=size_mib)
    return target


def assert_sound(image: Path) -> None:
    """e2fsck finds nothing to complain about."""
    result = subprocess.run(["e2fsck", "-fn", image], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def debugfs(image: Path, command: str, *, write: bool = False) -> str:
    argv = ["debugfs", *(["-w"] if write else []), "-R", command, str(image)]
    result = subprocess.run(argv, capture_output=True, text=True, check=True)
    return result.stdout


def fingerprint(folder: Path) -> str:
    """Of everything below a host folder: names, modes, link targets, content, change times."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = (
            os.readlink(path).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        )
        digest.update(
            repr((str(path), status.st_mode, status.st_mtime_ns, status.st_ctime_ns, content)).encode()
        )
    return digest.hexdigest()
