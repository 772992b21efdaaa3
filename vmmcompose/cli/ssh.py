"""`vmm ssh` and `vmm exec`: become the SSH client, so that its terminal and its exit code are the user's."""

import os
import sys

import click

from vmmcompose.cli import complete
from vmmcompose.cli.invocation import Invocation, pass_invocation
from vmmcompose.cli.logins import login_as
from vmmcompose.cli.project import find_record
from vmmcompose.errors import HostUnfit, UsageError, VmmError
from vmmcompose.model.record import Record

_ANY = {"ignore_unknown_options": True, "allow_interspersed_args": False}
_SSH_HELP = """Log in to a VM, or run a command there. VM is its name in this project or its name on the host; that of
a VM with replicas means the first of them.

The VM's own host key is verified. Keys tried are vmm's own, if you may read it (root may), and yours: the
one of the setting vm_defaults.ssh_key_path, then the usual ones in ~/.ssh.

The exit code is the remote one; 255 when the connection failed.

\b
Examples:
  vmm ssh web
  vmm ssh web -u alice
  vmm ssh web -- 'dmesg | tail'
  vmm ssh shop-web             by its name on the host, from anywhere"""
_EXEC_HELP = """Run one command in a VM, without a terminal. Its words arrive as they are. The name
of a VM with replicas means the first of them.

\b
Examples:
  vmm exec web -- uname -r
  vmm exec db -- sh -c 'echo $HOSTNAME'
  tar c site | vmm exec web -- tar x -C /srv"""


@click.command(help=_SSH_HELP, context_settings=_ANY)
@click.option("-u", "--user", default="root", show_default=True, help="Who to log in as.")
@click.argument("vm", metavar="VM", shell_complete=complete.recorded_vms)
@click.argument("command", metavar="[-- COMMAND]...", nargs=-1, type=click.UNPROCESSED)
@pass_invocation
def ssh(invocation: Invocation, user: str, vm: str, command: tuple[str, ...]) -> None:
    """`vmm ssh`."""
    tty = sys.stdin.isatty() and sys.stdout.isatty()
    user, command = _user_behind(user, command)
    words = _without_dashes(command)
    # A line for the guest's shell, as ssh(1) does it: `vmm ssh web -- 'dmesg | tail'`.
    line = ("sh", "-c", " ".join(words)) if words else ()
    _become(invocation, vm, line, user=user, tty=tty, batch=not sys.stdin.isatty())


@click.command(name="exec", help=_EXEC_HELP, context_settings=_ANY)
@click.option("-u", "--user", default="root", show_default=True, help="Who to run it as.")
@click.argument("vm", metavar="VM", shell_complete=complete.recorded_vms)
@click.argument("command", metavar="-- COMMAND...", nargs=-1, type=click.UNPROCESSED)
@pass_invocation
def exec_(invocation: Invocation, user: str, vm: str, command: tuple[str, ...]) -> None:
    """`vmm exec`."""
    words = _without_dashes(command)
    if not words:
        raise UsageError(
            "exec needs a command", hint=f"e.g. vmm exec {vm} -- uname -r; `vmm ssh {vm}` logs in"
        )
    _become(invocation, vm, words, user=user, tty=False, batch=True)


def _user_behind(user: str, command: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """`vmm ssh web -u alice`, as baremetalvmm took it: what stands behind the name is the remote command else."""
    if command[:1] in (("-u",), ("--user",)):
        if len(command) < 2:
            raise UsageError(f"{command[0]} needs a name", hint="e.g. vmm ssh web -u alice")
        return command[1], command[2:]
    return user, command


def _without_dashes(command: tuple[str, ...]) -> tuple[str, ...]:
    return command[1:] if command[:1] == ("--",) else command


def _become(
    invocation: Invocation, vm: str, command: tuple[str, ...], *, user: str, tty: bool, batch: bool
) -> None:
    record = find_record(invocation, vm, any_replica=True)
    _require_running(record)
    from vmmcompose.host.ssh import ssh_argv

    login = login_as(invocation, user)
    argv = ssh_argv(invocation.paths(), record.spec, command, login=login, tty=tty, batch=batch)
    sys.stdout.flush()
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - no shell is wanted: the words are the client's own arguments
    except OSError as error:
        raise HostUnfit(
            f"{argv[0]} cannot be run: {error.strerror}", hint="install openssh-client"
        ) from error


def _require_running(record: Record) -> None:
    from vmmcompose.cli.ps import live_state

    state = live_state(record, frozenset())
    living = record.process is not None and state in ("running", "interrupted")
    if not living:
        raise VmmError(f"VM {record.spec.vm} is {state}", hint=f"vmm up {record.spec.vm}")
