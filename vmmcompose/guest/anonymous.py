"""What makes a disk one particular VM's, and has to go before it becomes an image for others."""

from collections.abc import Iterable

from vmmcompose.guest import environment
from vmmcompose.guest.blocks import with_block
from vmmcompose.guest.entries import GuestEntry
from vmmcompose.guest.files import FSTAB, removals

MACHINE_ID = "/etc/machine-id"
HOMES = "/home"
_KEYS = "/.ssh/authorized_keys"
_OWN = (
    "/etc/ssh/ssh_host_ed25519_key",
    "/etc/ssh/ssh_host_ed25519_key.pub",
    "/etc/ssh/dropbear_ed25519_host_key",
    f"/root{_KEYS}",
    "/root/.bash_history",
    "/root/.ash_history",
    "/var/lib/systemd/random-seed",
    "/var/lib/systemd/credential.secret",
)


def anonymous_files(existing: dict[str, str]) -> tuple[GuestEntry, ...]:
    """Files without the VM's own part: an empty machine-id(5), mounts and variables taken out.

    `existing` has the text of /etc/fstab and /etc/environment where they are there.
    """
    entries = [GuestEntry(MACHINE_ID, b"", 0o444)]
    for path in (FSTAB, environment.PAM):
        if path in existing:
            text = with_block(existing[path], [])
            entries.append(GuestEntry(path, text.encode("utf-8", "surrogateescape")))
    return tuple(entries)


def identity_paths(users: Iterable[str]) -> tuple[str, ...]:
    """Host keys, authorized keys of root and of `users` (names below /home), seeds, histories, variables."""
    return (*_OWN, *removals(), *(f"{HOMES}/{user}{_KEYS}" for user in users))
