"""The Ubuntu of Firecracker's tests as a guest of vmm.

Facts: resources/rootfs in Firecracker's repository. A service of theirs gives eth0 a second address with a /30
around it, made from the MAC; root has an empty password and the serial console logs in by itself.
"""

from pathlib import Path

from vmmcompose.errors import HostError
from vmmcompose.images import debian
from vmmcompose.images.trees import refuse_links

_ADDRESS_SERVICE = "fcnet.service"
_WRITTEN = (
    *("etc/shadow", "etc/ssh/ssh_host_key", "etc/systemd/system/unit", "etc/systemd/network/link"),
    *("boot/file", "var/.updated"),
)
"""What is written or removed beside our files; of the folders only the names count."""


def customize(tree: Path) -> None:
    """Turns its tree into a guest of vmm: our files and units, root locked out but for keys.

    Raises:
        HostError: the system refused.
    """
    refuse_links(tree, "debian", _WRITTEN)
    try:
        debian.customize(tree)
        for wants in (tree / "etc/systemd/system").glob("*.wants"):
            if not wants.is_symlink():
                (wants / _ADDRESS_SERVICE).unlink(missing_ok=True)
        _lock_root(tree / "etc/shadow")
    except OSError as error:
        raise HostError(f"cannot prepare the image: {error.strerror}") from error


def _lock_root(shadow: Path) -> None:
    """No password opens root's account; keys still do (shadow(5))."""
    if shadow.is_symlink() or not shadow.is_file():
        return
    lines = shadow.read_bytes().splitlines()
    locked = [
        b":".join([b"root", b"*", *line.split(b":")[2:]]) if line.startswith(b"root:") else line
        for line in lines
    ]
    mode = shadow.stat().st_mode
    shadow.write_bytes(b"\n".join(locked) + b"\n")
    shadow.chmod(mode & 0o777)
