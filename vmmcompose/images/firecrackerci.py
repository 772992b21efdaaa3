"""The Ubuntu of Firecracker's tests as a guest of vmm.

Facts: resources/rootfs in Firecracker's repository. A service of theirs gives eth0 a second address with a /30
around it, made from the MAC; root has an empty password and the serial console logs in by itself.
"""

from pathlib import Path

from vmmcompose.host.rooted import Rooted
from vmmcompose.images import debian

_ADDRESS_SERVICE = "fcnet.service"
_UNITS = "etc/systemd/system"


def customize(tree: Path) -> None:
    """Turns its tree into a guest of vmm: our files and units, root locked out but for keys.

    Raises:
        HostError: the system refused.
    """
    debian.customize(tree)
    root = Rooted(tree)
    for name in root.names(_UNITS):
        if name.endswith(".wants"):
            root.remove(f"{_UNITS}/{name}/{_ADDRESS_SERVICE}")
