"""Trees with systemd, or of a Debian or Ubuntu that lacks it: installed where needed, and told that they are guests."""

import re
from collections.abc import Sequence
from pathlib import Path

from vmmcompose.errors import HostError, UsageError
from vmmcompose.host.rooted import Rooted
from vmmcompose.images import confined, debian
from vmmcompose.images.packages import Progress
from vmmcompose.images.trees import put_links

_PACKAGES = (
    *("ca-certificates", "dbus", "iproute2", "iputils-ping", "kmod", "netbase", "openssh-server"),
    *("procps", "systemd-sysv", "udev"),
)
_APT = ("apt-get", "-q", "-y", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=2")
_INSTALL = ("--no-install-recommends", "-o", "Dpkg::Options::=--force-confold", "install")
_NO_SERVICES = "usr/sbin/policy-rc.d"
"""Asked by Debian's packages before they start a service (invoke-rc.d(8)); 101 forbids it."""
_PROGRAMS = ("usr/lib/systemd/systemd", "lib/systemd/systemd")
_SSH_UNITS = ("ssh", "sshd")
_UNIT_FOLDERS = ("usr/lib/systemd/system", "lib/systemd/system", "etc/systemd/system")
_MASKED = (
    *("networking.service", "NetworkManager.service", "NetworkManager-wait-online.service", "dhcpcd.service"),
    *("cloud-init.service", "cloud-init-local.service", "cloud-config.service", "cloud-final.service"),
    *("cloud-init-main.service", "cloud-init-network.service", "snapd.service", "snapd.seeded.service"),
    *("snapd.socket", "multipathd.service", "multipathd.socket", "fwupd-refresh.timer", "motd-news.timer"),
    *("ua-timer.timer", "ubuntu-advantage.service", "apport.service", "ssh.socket", "sshd.socket"),
)
"""What cloud and desktop images start beyond Debian's own: clients for an address that the kernel has set, searches
for disks and data sources that are not there, and a socket that would take the SSH server's place."""
_INCLUDE = b"Include /etc/ssh/sshd_config.d/*.conf\n"
_SSHD_CONFIG = "etc/ssh/sshd_config"


def is_complete(root: Rooted) -> bool:
    """Whether systemd and an SSH server are there."""
    return (
        any(root.runs(name) for name in _PROGRAMS) and root.runs("usr/sbin/sshd") and root.runs("sbin/init")
    )


def can_install(root: Rooted) -> bool:
    """Whether its own package manager can add what is missing."""
    return root.runs("usr/bin/apt-get") and root.runs("usr/bin/dpkg") and root.kind(debian.STATUS) == "file"


def fit(tree: Path, on_progress: Progress) -> None:
    """Installs systemd and an SSH server where they are missing, and configures both.

    Raises:
        UsageError: they are missing, and this is neither Debian nor Ubuntu.
        HostError: packages could not be fetched or installed.
    """
    root = Rooted(tree)
    if not is_complete(root):
        if not can_install(root):
            raise UsageError(
                "the image has no systemd with an SSH server, and no apt to install them with",
                hint="--init tiny adds busybox and an SSH server to any image",
            )
        _install(tree, root, on_progress)
    debian.customize(tree)
    _configure_ssh(root)
    put_links(tree, ((f"etc/systemd/system/{unit}", "/dev/null") for unit in _MASKED))
    if root.kind("etc/cloud") == "folder":
        root.write("etc/cloud/cloud-init.disabled", b"")
    for name in (_NO_SERVICES, ".dockerenv"):
        root.remove(name)


def _install(tree: Path, root: Rooted, on_progress: Progress) -> None:
    root.write(_NO_SERVICES, b"#!/bin/sh\nexit 101\n", 0o755)
    confined.lend_network(tree)
    on_progress("fetching the image's package lists (apt-get update)")
    _run(tree, ("update",), "fetch the image's package lists")
    on_progress("installing systemd and an SSH server into the image; this takes a minute")
    _run(tree, (*_INSTALL, *_PACKAGES), "install systemd and an SSH server into the image")
    _run(tree, ("clean",), "remove fetched packages from the image")
    root.empty("var/lib/apt/lists")


def _run(tree: Path, words: Sequence[str], what: str) -> None:
    try:
        confined.run(tree, (*_APT, *words), what)
    except HostError as error:
        hint = "check that this host reaches the package mirrors in the image's /etc/apt; or use --init tiny"
        kept = "bubblewrap" in error.hint
        raise type(error)(error.message, hint=error.hint if kept else hint) from error


def _configure_ssh(root: Rooted) -> None:
    """The server starts at boot, under whatever name, and reads our settings before its own."""
    config = root.read(_SSHD_CONFIG) or b""
    if not re.search(rb"(?im)^\s*include\s+(/etc/ssh/)?sshd_config\.d/", config):
        root.write(_SSHD_CONFIG, _INCLUDE + config)
    for unit in _SSH_UNITS:
        where = [f"/{folder}/{unit}.service" for folder in _UNIT_FOLDERS]
        found = next((path for path in where if root.kind(path) == "file"), "")
        if not found:
            continue
        root.link(f"etc/systemd/system/multi-user.target.wants/{unit}.service", found)
        # Ubuntu's service would not start without its socket, which is masked.
        root.remove(f"etc/systemd/system/{unit}.service.requires/{unit}.socket")
        drop_in = root.read("etc/systemd/system/ssh.service.d/vmm.conf")
        if unit != "ssh" and drop_in is not None:
            root.write(f"etc/systemd/system/{unit}.service.d/vmm.conf", drop_in)
        return
