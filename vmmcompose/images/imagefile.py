"""A file tree or a finished file system becomes an image in the store, whole or not at all."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vmmcompose.host import ext4
from vmmcompose.host.files import replacing, write_atomic
from vmmcompose.images import publish
from vmmcompose.model.paths import Paths

ROOT_LABEL = "vmm-root"
MIB = 1 << 20


def publish_tree(
    paths: Paths, name: str, tree: Path, fields: Mapping[str, Any], *, slack_mib: int, size_mib: int = 0
) -> None:
    """Makes an image of a tree. The caller holds the lock `images`.

    Args:
        paths: where the store lies.
        name: what to call it; an image of that name is replaced.
        tree: the root of the guest's file system.
        fields: what the sidecar shall say beside digest, size and time; `source` is shown in listings.
        slack_mib: free space beside what the tree needs.
        size_mib: the whole size; more than is needed counts, less does not.

    Raises:
        HostError: a tool failed, or the disk is full.
    """
    needed, inodes = _room(tree, slack_mib)
    size = max(needed, size_mib)
    with image_replacing(paths, name, fields) as temp:
        ext4.make_image(tree, temp, label=ROOT_LABEL, size_mib=size, inodes=inodes)


@contextmanager
def image_replacing(paths: Paths, name: str, fields: Mapping[str, Any]) -> Iterator[Path]:
    """Gives the name to make an ext4 file system at, which is the image's at the end; on failure nothing is left.

    The image gets its name first: without its sidecar it counts as unfinished. The caller holds the lock `images`.

    Raises:
        HostError: the disk is full.
    """
    info = Path(paths.image_info(name))
    with replacing(paths.image(name), "write the image") as temp:
        yield Path(temp)
        digest, size = publish.sha256(Path(temp)), os.stat(temp).st_size
        info.unlink(missing_ok=True)
    write_atomic(info, publish.info_text({**fields, "sha256": digest, "size": size}))


def _room(tree: Path, slack_mib: int) -> tuple[int, int]:
    """(size in MiB, inodes) for an image of a tree: its blocks, the journal and tables, and the slack."""
    used = count = 0
    for folder, _, names in os.walk(tree):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            used += -(-os.lstat(path).st_size // 4096) * 4096
            count += 1
    tables = (count + 8192) * 256 // MIB
    journal = max(4, used // MIB // 16)
    return used // MIB + journal + tables + slack_mib, count + 1024
