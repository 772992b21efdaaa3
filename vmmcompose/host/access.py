"""Whether this process may change the host."""

import os

from vmmcompose.errors import HostUnfit


def is_root() -> bool:
    """Whether the effective user is root."""
    return os.geteuid() == 0


def require_root(what: str) -> None:
    """Refuses early, before anything is touched.

    Raises:
        HostUnfit: this is not root.
    """
    if not is_root():
        raise HostUnfit(f"{what} needs root: it makes TAPs, rules and disks", hint="run it with sudo")
