"""The manifest's `env`, in the three spellings that guests read.

`/etc/environment` is read by pam_env (each SSH session of a Debian), `/etc/environment.d` by systemd's user
managers, `/etc/profile.d` by login shells and, through `vmm exec`, by guests without PAM.
"""

from collections.abc import Sequence

Env = Sequence[tuple[str, str]]

PAM = "/etc/environment"
SYSTEMD = "/etc/environment.d/50-vmm.conf"
SHELL = "/etc/profile.d/vmm.sh"
_PAM_BREAKS = frozenset("#\n")
_PAM_LINE = 1000
"""pam_env reads lines of 1024 bytes."""


def pam_lines(env: Env) -> list[str]:
    """Lines for pam_env(8), which strips one pair of quotes, knows no escapes and ends a line at any `#`.

    A value that it cannot hold is left out there rather than cut short; the other two have it.
    """
    lines = (f'{name}="{value}"' for name, value in env if not _PAM_BREAKS.intersection(value))
    return [line for line in lines if len(line.encode()) < _PAM_LINE]


def systemd_lines(env: Env) -> list[str]:
    """Lines for environment.d(5): backslash, quotes and backquote are escaped, `$` is doubled.

    An escaped `$` would still begin a variable there (tried with systemd 252).
    """
    return [f'{name}="{_escape(value)}"' for name, value in env]


def _escape(value: str) -> str:
    for character in ("\\", '"', "`"):
        value = value.replace(character, "\\" + character)
    return value.replace("$", "$$")


def shell_lines(env: Env) -> list[str]:
    """Lines for a POSIX shell; inside single quotes only the single quote itself needs care."""
    return ["export {}='{}'".format(name, value.replace("'", "'\\''")) for name, value in env]
