"""Any Linux root filesystem becomes a guest of vmm: an init, an SSH server, and nothing that fights for the network.

The tree may be a stranger's: it is written through `host/rooted.py`, and its programs run through `confined.py`.
"""

from collections.abc import Callable
from pathlib import Path

from vmmcompose.errors import UsageError
from vmmcompose.host.rooted import Rooted
from vmmcompose.images import debian, openrc, packages, systemd, tinyinit
from vmmcompose.images.packages import Progress

INITS = ("auto", "systemd", "openrc", "tiny", "none")
"""What may be asked for."""
_TINY_HINT = "--init tiny adds busybox and an SSH server to any image, and needs none of its programs"


def equip(tree: Path, init: str, work: Path, on_progress: Progress) -> dict[str, str]:
    """Makes an unpacked root filesystem a guest; gives the packages in it with versions, as far as they are known.

    Args:
        tree: the root of the file system; needs root, as its files belong to many users.
        init: one of `INITS`; `auto` takes systemd or openrc, whichever the image has or can install.
        work: a folder for what is fetched.
        on_progress: told about everything that takes long.

    Raises:
        UsageError: `init` is none of `INITS`, or does not go with this image.
        HostUnfit: a tool is missing.
        HostError: packages could not be fetched or installed, or the system refused.
    """
    if init not in INITS:
        raise UsageError(f"{init!r} is no init system", hint=f"one of {', '.join(INITS)}")
    root = Rooted(tree)
    chosen = _suited(root) if init == "auto" else init
    if chosen == "none":
        return {}
    if chosen == "tiny":
        return tinyinit.add(tree, work, on_progress)
    _FITTERS[chosen](tree, on_progress)
    return debian.installed(tree) if root.kind(debian.STATUS) == "file" else {}


_FITTERS: dict[str, Callable[[Path, Progress], None]] = {"systemd": systemd.fit, "openrc": openrc.fit}


def _suited(root: Rooted) -> str:
    """The init system that an image has or can be given with its own package manager."""
    if systemd.is_complete(root) or systemd.can_install(root):
        return "systemd"
    if openrc.is_complete(root) or openrc.can_install(root):
        return "openrc"
    raise UsageError(
        f"{describe(root)} has neither an init system with an SSH server nor apt or apk to install them with",
        hint=_TINY_HINT,
    )


def describe(root: Rooted) -> str:
    """How people call what is in a tree, from its os-release(5)."""
    for name in ("etc/os-release", "usr/lib/os-release"):
        fields = packages.release_fields((root.read(name) or b"").decode("utf-8", "replace"))
        if fields.get("PRETTY_NAME"):
            return fields["PRETTY_NAME"]
    return "the image"
