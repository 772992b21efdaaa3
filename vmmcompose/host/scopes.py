"""VMMs in control groups of their own, where systemd runs the host.

Whatever a VMM is started from (the unit of `vmm autostart`, a login, another service), it would live in that
one's control group and end with it. So it is started in a transient scope below `vmm.slice`: `systemd-run
--scope` has systemd make the scope around itself and then becomes the program, so the pid stays the same and
there is no moment in which the guest is in the wrong group.
"""

import os
from collections.abc import Sequence

from vmmcompose.host.access import is_root
from vmmcompose.host.programs import find_program

SLICE = "vmm.slice"
_BOOTED = "/run/systemd/system"
"""There where systemd is the init (sd_booted(3))."""


def booted_with_systemd() -> bool:
    """Whether systemd runs this host, and is the init of the process namespace that this is in."""
    try:
        with open("/proc/1/comm", encoding="ascii") as file:
            init = file.read().strip()
    except OSError:
        return False
    return init == "systemd" and os.path.isdir(_BOOTED)


def in_scope(argv: Sequence[str], name: str) -> list[str]:
    """The command that runs `argv` outside the caller's control group; `argv` itself where there is no systemd.

    `name` is the VM's name on the host. The scope's own name ends in something new each time: the one of the
    VM's last run may not be cleared away yet.
    """
    program = find_program("systemd-run")
    # A program that is not there is told better by whoever starts it.
    if not program or not find_program(argv[0]) or not is_root() or not booted_with_systemd():
        return list(argv)
    return [
        program,
        "--scope",
        "--quiet",
        "--collect",
        "--no-ask-password",
        f"--slice={SLICE}",
        f"--unit=vmm-{name}-{os.urandom(4).hex()}.scope",
        f"--description=VM {name}",
        "--",
        *argv,
    ]
