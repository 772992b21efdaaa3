"""Images built here from distributions' packages, each by its recipe."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vmmcompose.errors import HostUnfit
from vmmcompose.host import locks, store
from vmmcompose.images import debian, publish, tiny, ubuntu
from vmmcompose.images.imagefile import publish_tree
from vmmcompose.images.packages import Progress
from vmmcompose.model.observed import Image
from vmmcompose.model.paths import Paths


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
UBUNTU = Recipe("build ubuntu-24.04", ubuntu.make_tree, slack_mib=64)
RECIPES = {"tiny": TINY, "debian-12": DEBIAN, "ubuntu-24.04": UBUNTU}
"""By the name of the image."""


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
            fields = {"source": recipe.source, "packages": contents}
            publish_tree(paths, name, tree, fields, slack_mib=recipe.slack_mib)
    return store.list_images(paths)[name]
