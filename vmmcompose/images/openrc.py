"""Trees with OpenRC, as Alpine's: installed with apk where it is missing, and told that they are guests."""

from pathlib import Path

from vmmcompose.errors import HostError, UsageError
from vmmcompose.host.rooted import Rooted
from vmmcompose.images import confined
from vmmcompose.images.packages import Progress
from vmmcompose.images.trees import prepare_guest

_PACKAGES = ("openrc", "openssh-server", "openssh-keygen")
_RUNLEVELS = {
    "sysinit": ("devfs", "dmesg", "mdev"),
    "boot": ("bootmisc", "hostname", "localmount", "networking", "sysctl"),
    "default": ("sshd",),
    "shutdown": ("killprocs", "mount-ro", "savecache"),
}
_INITTAB = b"""\
::sysinit:/sbin/openrc sysinit
::sysinit:/sbin/openrc boot
::wait:/sbin/openrc default
ttyS0::respawn:/sbin/getty -L 115200 ttyS0 vt100
::ctrlaltdel:/sbin/reboot
::shutdown:/sbin/openrc shutdown
"""
_INTERFACES = b"""\
# The kernel has set up eth0 (ip=); a client here would fight it.
auto lo
iface lo inet loopback
"""
_SSHD = b"""\
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
"""


def is_complete(root: Rooted) -> bool:
    """Whether OpenRC and an SSH server are there."""
    return root.runs("sbin/openrc") and root.runs("usr/sbin/sshd") and root.kind("etc/init.d/sshd") == "file"


def can_install(root: Rooted) -> bool:
    """Whether its own package manager can add what is missing."""
    return root.runs("sbin/apk")


def fit(tree: Path, on_progress: Progress) -> None:
    """Installs OpenRC and an SSH server where they are missing, and configures both.

    Raises:
        UsageError: they are missing, and there is no apk.
        HostError: packages could not be fetched or installed.
    """
    root = Rooted(tree)
    if not is_complete(root):
        if not can_install(root):
            raise UsageError(
                "the image has no OpenRC with an SSH server, and no apk to install them with",
                hint="--init tiny adds busybox and an SSH server to any image",
            )
        _install(tree, on_progress)
    prepare_guest(tree)
    root.write("etc/inittab", _INITTAB)
    root.write("etc/network/interfaces", _INTERFACES)
    # The first value of an option counts (sshd_config(5)).
    root.write("etc/ssh/sshd_config", _SSHD + (root.read("etc/ssh/sshd_config") or b""))
    for level, services in _RUNLEVELS.items():
        for service in services:
            if root.kind(f"etc/init.d/{service}") == "file":
                root.link(f"etc/runlevels/{level}/{service}", f"/etc/init.d/{service}")


def _install(tree: Path, on_progress: Progress) -> None:
    on_progress("installing OpenRC and an SSH server into the image with apk")
    confined.lend_network(tree)
    try:
        argv = ("/sbin/apk", "--no-cache", "--no-progress", "add", *_PACKAGES)
        confined.run(tree, argv, "install OpenRC and an SSH server into the image")
    except HostError as error:
        hint = "check that this host reaches the mirrors in the image's /etc/apk/repositories; or use --init tiny"
        raise type(error)(error.message, hint=error.hint if "bubblewrap" in error.hint else hint) from error
