"""`vmm cp`: files and folders between host and guest."""

import os
import re
import sys
import time

import click

from vmmcompose.cli.invocation import Invocation, pass_invocation
from vmmcompose.cli.logins import login_as
from vmmcompose.cli.project import find_record
from vmmcompose.cli.targets import require_running
from vmmcompose.errors import UsageError

_GUEST = re.compile(r"([a-z0-9][a-z0-9-]*):(.+)", re.DOTALL)
_EVERY_S = 0.2
_HELP = """Copy a file or a folder into a VM or out of it. One side is VM:PATH.

As with cp -r: into PATH where that is a folder, else to that name; FOLDER/. means its content. Modes, times and
links are kept; what comes out of a VM belongs to you. The guest needs a shell and tar. A host path with a colon is
written ./like:this.

\b
Examples:
  vmm cp site/ web:/srv/
  vmm cp site/. web:/srv/www
  vmm cp web:/var/log/syslog .
  vmm cp -u alice notes.txt dev:/home/alice/"""


@click.command(help=_HELP)
@click.option("-u", "--user", default="root", show_default=True, help="Who to log in as.")
@click.argument("source", type=click.Path(), metavar="SRC")
@click.argument("target", type=click.Path(), metavar="DST")
@pass_invocation
def cp(invocation: Invocation, user: str, source: str, target: str) -> None:
    """`vmm cp`."""
    from vmmcompose.host.guestcopy import Guest, from_guest, to_guest

    sender, receiver = _GUEST.fullmatch(source), _GUEST.fullmatch(target)
    if bool(sender) == bool(receiver):
        hint = "from VM to VM takes two steps" if sender else "e.g. vmm cp site/ web:/srv/"
        raise UsageError("one side must be VM:PATH, the other a path of this host", hint=hint)
    match = sender or receiver
    assert match is not None
    record = find_record(invocation, match[1], any_replica=True)
    require_running(record, "nothing can be copied")
    guest = Guest(invocation.paths(), record.spec, login_as(invocation, user))
    meter = Meter(show=not invocation.quiet and sys.stderr.isatty())
    try:
        if receiver:
            to_guest(guest, source, match[2], on_bytes=meter.add)
        else:
            from_guest(guest, match[2], target, owner=_owner(), on_bytes=meter.add)
    finally:
        meter.close()


def _owner() -> tuple[int, int]:
    """Whose copies are: under sudo the invoking user's."""
    if os.geteuid() == 0 and os.environ.get("SUDO_UID", "").isdigit():
        uid = int(os.environ["SUDO_UID"])
        gid = os.environ.get("SUDO_GID", "")
        return uid, int(gid) if gid.isdigit() else uid
    return os.geteuid(), os.getegid()


class Meter:
    """How much has been copied, on one line of a terminal, once it takes longer than a second."""

    def __init__(self, *, show: bool) -> None:
        self._show = show
        self._total = 0
        self._begin = self._last = time.monotonic()
        self._drawn = False

    def add(self, count: int) -> None:
        """Counts bytes."""
        self._total += count
        now = time.monotonic()
        if self._show and now - self._begin > 1 and now - self._last > _EVERY_S:
            self._last, self._drawn = now, True
            mib = self._total / (1 << 20)
            click.echo(f"\r{mib:.0f} MiB, {mib / (now - self._begin):.0f} MiB/s ", err=True, nl=False)

    def close(self) -> None:
        """Takes the line away."""
        if self._drawn:
            click.echo("\r\033[K", err=True, nl=False)
