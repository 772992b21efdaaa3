"""The file tree of the image `debian-12`: systemd, an SSH server, and what a guest of vmm needs not masked."""

from collections.abc import Sequence
from pathlib import Path

from vmmcompose.errors import HostError, HostUnfit
from vmmcompose.host.rooted import Rooted
from vmmcompose.images import packages
from vmmcompose.images.packages import Progress
from vmmcompose.images.trees import install_data, prepare_guest, put, put_links

_SUITE = "bookworm"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_PACKAGES = (
    *("ca-certificates", "dbus", "init", "iproute2", "iputils-ping", "kmod", "less", "netbase"),
    *("openssh-server", "procps", "systemd-sysv", "udev", "wget"),
)
_APT_OPTIONS = ('APT::Install-Recommends "false"', 'Acquire::Languages "none"')
_DPKG_OPTIONS = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/lintian/*",
)
_MASKED = (
    *(
        "apt-daily.timer",
        "apt-daily-upgrade.timer",
        "dpkg-db-backup.timer",
        "e2scrub_all.timer",
        "fstrim.timer",
    ),
    *("systemd-tmpfiles-clean.timer", "e2scrub_reap.service", "getty@tty1.service", "getty-static.service"),
    *("systemd-networkd.service", "systemd-networkd.socket", "systemd-networkd-wait-online.service"),
    *("systemd-network-generator.service", "systemd-resolved.service", "systemd-timesyncd.service"),
    *("systemd-binfmt.service", "systemd-pstore.service", "systemd-rfkill.service", "systemd-rfkill.socket"),
    *("systemd-update-utmp.service", "systemd-update-utmp-runlevel.service", "systemd-random-seed.service"),
    *("systemd-journal-flush.service", "modprobe@.service", "kmod-static-nodes.service"),
    *(
        "systemd-modules-load.service",
        "dev-mqueue.mount",
        "dev-hugepages.mount",
        "sys-kernel-debug.mount",
        "sys-kernel-tracing.mount",
    ),
)
"""Units that cost a boot time and do nothing for a guest whose address, name servers and clock come from
outside. An administrator in the guest can unmask each."""
_NO_RENAME = ("etc/systemd/network/99-default.link", "/dev/null")
"""Without it udev renames eth0 (systemd.link(5)), which is what `ip=` calls it."""
_UP_TO_DATE = ("etc/.updated", "var/.updated")
"""Newer than /usr, they tell systemd that nothing is to be generated at the first boot (systemd-update-done(8))."""

STATUS = "var/lib/dpkg/status"
"""dpkg's list of what is installed."""
_STATUS_LIMIT = 64 << 20


def make_tree(tree: Path, _work: Path, on_progress: Progress) -> dict[str, str]:
    """Fills `tree` with mmdebstrap; gives package names with versions.

    Raises:
        HostUnfit: mmdebstrap or Debian's archive keys are not installed.
        HostError: a package could not be fetched.
    """
    if not _KEYRING.exists():
        raise HostUnfit(
            "Debian's archive keys are not installed, so its packages cannot be checked",
            hint="apt-get install debian-archive-keyring",
        )
    on_progress(f"fetching and unpacking Debian {_SUITE} with mmdebstrap; this takes a minute")
    bootstrap(tree, _SUITE)
    customize(tree)
    return installed(tree)


def customize(tree: Path) -> None:
    """Turns a tree of a Debian with systemd and an SSH server, fresh or used, into a guest of vmm.

    Raises:
        HostError: the system refused.
    """
    prepare_guest(tree)
    Rooted(tree).empty("boot")
    install_data("debian", tree)
    put_links(tree, ((f"etc/systemd/system/{unit}", "/dev/null") for unit in _MASKED))
    put_links(tree, [_NO_RENAME])
    for name in _UP_TO_DATE:
        put(tree, name, b"", 0o644)


def installed(tree: Path) -> dict[str, str]:
    """Versions of the packages in a tree by name, from dpkg's own list.

    Raises:
        HostError: there is none, or it cannot be read.
    """
    status = Rooted(tree).read(STATUS, _STATUS_LIMIT)
    if status is None:
        raise HostError(f"there is no list of packages in {tree}")
    text = status.decode("utf-8", "replace")
    entries = (packages.parse_fields(entry) for entry in text.split("\n\n") if entry.strip())
    return {
        fields["Package"]: fields["Version"] for fields in entries if {"Package", "Version"} <= fields.keys()
    }


def bootstrap(tree: Path, suite: str, *, sources: Sequence[str] = (), keyring: Path | None = None) -> None:
    """Fills a tree with a release of Debian or one like it: an init, an SSH server and what goes with them.

    Args:
        tree: is made.
        suite: the release's name.
        sources: lines of a sources.list(5); none for Debian's own mirror.
        keyring: the keys that the packages' lists are signed with; none for the host's.

    Raises:
        HostUnfit: mmdebstrap is not installed.
        HostError: a package could not be fetched.
    """
    options = ["--mode=root", "--variant=minbase", "--format=directory", "--quiet"]
    options += [f"--aptopt={option}" for option in _APT_OPTIONS]
    options += [f"--dpkgopt={option}" for option in _DPKG_OPTIONS]
    options += [f"--keyring={keyring}"] if keyring else []
    argv = ["mmdebstrap", *options, f"--include={','.join(_PACKAGES)}", suite, str(tree), *sources]
    packages.run(argv, f"build {suite}", cwd=str(tree.parent), timeout_s=1800)
