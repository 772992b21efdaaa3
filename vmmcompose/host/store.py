"""The image store as observation reads it: kernels and root filesystems one small JSON file each."""

import json
import os
from pathlib import PurePosixPath
from typing import Any

from vmmcompose.model.observed import Image, Kernel
from vmmcompose.model.paths import Paths

_IMAGE_SUFFIX = ".ext4"
KERNEL_INFO = "kernel.json"


def list_images(paths: Paths) -> dict[str, Image]:
    """The root filesystems in the store by name; one whose sidecar is missing or broken has no digest."""
    images = {}
    for entry in _list(paths.rootfs()):
        name = entry.removesuffix(_IMAGE_SUFFIX)
        if name == entry:
            continue
        path = str(paths.image(name))
        try:
            size = os.stat(path).st_size
        except OSError:
            continue
        images[name] = Image(name, path, size, str(read_info(paths.image_info(name)).get("sha256", "")))
    return images


def list_kernels(paths: Paths) -> dict[str, Kernel]:
    """The kernels in the store by name; `default` is an entry too, with the paths of what it stands for."""
    kernels = {}
    for name in _list(paths.kernels()):
        kernel = _kernel(name, paths.kernel(name))
        if kernel.bzimage or kernel.vmlinux:
            kernels[name] = kernel
    return kernels


def default_kernel(paths: Paths) -> str:
    """Name of the kernel that `default` stands for; empty where there is none."""
    try:
        return os.readlink(str(paths.kernel("default")))
    except OSError:
        return ""


def read_info(path: PurePosixPath) -> dict[str, Any]:
    """A sidecar's content; empty where it is missing or no JSON object."""
    try:
        with open(str(path), encoding="utf-8") as file:
            value = json.load(file)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _kernel(name: str, folder: PurePosixPath) -> Kernel:
    real = PurePosixPath(os.path.realpath(str(folder)))
    found = {
        part: str(real / part)
        for part in ("bzImage", "vmlinux", "initrd")
        if os.path.isfile(str(real / part))
    }
    return Kernel(name, found.get("bzImage", ""), found.get("vmlinux", ""), found.get("initrd", ""))


def _list(folder: PurePosixPath) -> list[str]:
    try:
        return sorted(entry for entry in os.listdir(str(folder)) if ".tmp." not in entry)
    except OSError:
        return []
