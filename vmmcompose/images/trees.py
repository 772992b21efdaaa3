"""File trees that become images: our own files and links, put into a tree that packages or strangers have filled.

No link in the tree leads a write out of it (`host/rooted.py`).
"""

import re
from collections.abc import Iterable
from importlib.resources import as_file, files
from pathlib import Path

from vmmcompose.host.rooted import Rooted

_SCRIPT = b"#!"
_MOUNT_POINTS = (
    ("dev", 0o755),
    ("mnt", 0o755),
    ("proc", 0o755),
    ("run", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
)


def install_data(name: str, tree: Path) -> None:
    """Copies our files for the image `name` into its tree, over what is there.

    A Python package loses the executable bit on its way, so a script is told by its first line.

    Raises:
        HostError: the system refused.
    """
    with as_file(files("vmmcompose.images").joinpath(f"data/{name}")) as data:
        for source in sorted(path for path in data.rglob("*") if path.is_file()):
            content = source.read_bytes()
            name = str(source.relative_to(data))
            put(tree, name, content, 0o755 if content.startswith(_SCRIPT) else 0o644)


def data_file(name: str, path: str) -> bytes:
    """One of our files for the image `name`."""
    return files("vmmcompose.images").joinpath(f"data/{name}/{path}").read_bytes()


def prepare_guest(tree: Path) -> None:
    """What every guest needs and no guest may have: mount points, files that `vmm` fills in, no keys of others.

    Raises:
        HostError: the system refused.
    """
    root = Rooted(tree)
    for name, mode in _MOUNT_POINTS:
        root.own_dir(name, mode)
    root.make_dir("root", 0o700)
    root.make_dir("root/.ssh", 0o700)
    for name in root.names("etc/ssh"):
        if name.startswith("ssh_host_"):
            root.remove(f"etc/ssh/{name}")
    for path in ("var/lib/dbus/machine-id", "root/.ssh/authorized_keys", ".dockerenv"):
        root.remove(path)
    install_data("any", tree)
    _lock_root(root)


def _lock_root(root: Rooted) -> None:
    """No empty password opens root's account, and no lock (`!`) keeps a server from taking a key (shadow(5))."""
    shadow = root.read("etc/shadow")
    if shadow is None:
        return
    lines = shadow.split(b"\n")
    changed = [re.sub(rb"^root:(![^:]*)?:", b"root:*:", line) for line in lines]
    if changed != lines:
        root.rewrite("etc/shadow", b"\n".join(changed))


def put(tree: Path, name: str, content: bytes, mode: int) -> None:
    """Writes a file of a tree; a link of that name is replaced and not followed.

    Raises:
        HostError: the system refused.
    """
    Rooted(tree).write(name, content, mode)


def put_links(tree: Path, links: Iterable[tuple[str, str]]) -> None:
    """Makes symbolic links, given by their path in the tree and their target; what has the name is replaced.

    Raises:
        HostError: the system refused.
    """
    for name, target in links:
        Rooted(tree).link(name, target)
