"""Images built here from the distribution's packages: `tiny` and `debian-12`."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vmmcompose.errors import HostUnfit
from vmmcompose.host import ext4, locks, store
from vmmcompose.host.files import replacing, write_atomic
from vmmcompose.images import debian, publish, tiny
from vmmcompose.images.packages import Progress
from vmmcompose.model.observed import Image
from vmmcompose.model.paths import Paths

ROOT_LABEL = "vmm-root"
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an image comes into being."""

    source: str
    """For people and the sidecar."""
    make_tree: Callable[[Path, Path, Progress], dict[str, str]]
    """Fills a tree, given a folder for its own work; gives the packages with versions."""
    slack_mib: int
    """Free space beside what the tree needs."""


TINY = Recipe("build tiny", tiny.make_tree, slack_mib=8)
DEBIAN = Recipe("build debian-12", debian.make_tree, slack_mib=64)


def build_tiny(paths: Paths, on_progress: Progress, *, name: str = "tiny", force: bool = False) -> Image:
    """Builds the image of busybox and dropbear: about 20 MiB, up in seconds also under emulation.

    An image of that name that is there already is left alone unless `force`.

    Raises:
        HostUnfit: not root, or a tool is missing.
        HostError: a package could not be fetched, or the disk is full.
    """
    return build(paths, TINY, name, on_progress, force=force)


def build_debian(
    paths: Paths, on_progress: Progress, *, name: str = "debian-12", force: bool = False
) -> Image:
    """Builds a Debian 12 with systemd and an SSH server, using mmdebstrap.

    An image of that name that is there already is left alone unless `force`.

    Raises:
        HostUnfit: not root, or a tool is missing.
        HostError: a package could not be fetched, or the disk is full.
    """
    return build(paths, DEBIAN, name, on_progress, force=force)


def build(paths: Paths, recipe: Recipe, name: str, on_progress: Progress, *, force: bool) -> Image:
    """Builds an image; see `build_tiny`."""
    publish.check_name(name)
    if os.geteuid() != 0:
        raise HostUnfit(
            f"building the image {name} needs root, so that the files in it belong to root",
            hint="run it with sudo",
        )
    publish.prepare(paths)
    with locks.hold(paths.lock("images"), "the image store", on_wait=on_progress):
        existing = store.list_images(paths).get(name)
        if existing and existing.digest and not force:
            on_progress(f"image {name} is in the store already")
            return existing
        with publish.scratch(paths.image(name)) as work:
            tree = work / "tree"
            contents = recipe.make_tree(tree, work, on_progress)
            on_progress(f"making {name}.ext4")
            _publish(paths, name, tree, recipe, contents)
    return store.list_images(paths)[name]


def _publish(paths: Paths, name: str, tree: Path, recipe: Recipe, contents: dict[str, str]) -> None:
    """The image gets its name first: without its sidecar it counts as unfinished."""
    size_mib, inodes = _room(tree, recipe.slack_mib)
    info = Path(paths.image_info(name))
    with replacing(paths.image(name), "write the image") as temp:
        ext4.make_image(tree, temp, label=ROOT_LABEL, size_mib=size_mib, inodes=inodes)
        digest = publish.sha256(temp)
        info.unlink(missing_ok=True)
    fields = {"source": recipe.source, "sha256": digest, "size": size_mib * MIB, "packages": contents}
    write_atomic(info, publish.info_text(fields))


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
