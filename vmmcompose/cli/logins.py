"""With which keys `vmm ssh`, `exec` and `cp` log in."""

import os
from typing import TYPE_CHECKING

from vmmcompose.errors import HostUnfit

if TYPE_CHECKING:
    from vmmcompose.cli.invocation import Invocation
    from vmmcompose.host.ssh import Login


def login_as(invocation: "Invocation", user: str) -> "Login":
    """The guest's user, and the invoking user's own keys.

    Raises:
        HostUnfit: there is no key to try.
    """
    from vmmcompose.host.ssh import Login, may_use_managed_key
    from vmmcompose.host.userkeys import user_identities

    paths = invocation.paths()
    identities = user_identities(os.environ, invocation.settings().vm_defaults.ssh_key_path)
    if not identities and not may_use_managed_key(paths):
        raise HostUnfit(
            f"no key to log in with: you may not read {paths.managed_key()}, and have none in ~/.ssh",
            hint="run it with sudo, or make a key (ssh-keygen -t ed25519) and name it under `ssh_keys:`",
        )
    return Login(user, identities)
