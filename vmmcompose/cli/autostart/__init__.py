"""`vmm autostart …`: what is brought up when the host boots."""

import click

from vmmcompose.cli.lazy import Entry, LazyGroup

_HERE = "vmmcompose.cli.autostart"
_WHAT = "What starts at boot"


class _Commands(LazyGroup):
    entries = {  # noqa: RUF012 - as LazyGroup declares it
        "enable": Entry(f"{_HERE}.choosing", "enable", "Bring projects or VMs up when the host boots", _WHAT),
        "disable": Entry(f"{_HERE}.choosing", "disable", "Do so no longer", _WHAT),
        "list": Entry(f"{_HERE}.choosing", "list_enabled", "List what is brought up", _WHAT),
        "run": Entry(f"{_HERE}.running", "run", "Bring it up now, as the host does when it boots", _WHAT),
    }


_HELP = """Bring up what was up when the host went down.

A systemd unit starts the VMs again that ran when the host was switched off or lost power, of the projects and
VMs that are enabled. A VM that was stopped stays stopped. Guests live in scopes below vmm.slice: stopping or
restarting the unit does not touch them.

\b
Examples:
  vmm autostart enable              the project in this folder
  vmm autostart enable dev          a single VM
  vmm autostart list
  journalctl -b -u vmm-autostart    how it went at the last boot"""


@click.group(cls=_Commands, help=_HELP)
def autostart() -> None:
    """`vmm autostart`."""
