"""`vmm autostart run`: what the unit calls when the host boots.

Each project and each single VM is brought up by a process of its own, several at once: one that fails, however
it does, stops no other. Their words go to the journal with the project's name before them.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import click

from vmmcompose.cli import complete
from vmmcompose.cli.invocation import Invocation, pass_invocation, tell
from vmmcompose.cli.project import as_recorded, read_all
from vmmcompose.errors import ApplyFailed, Interrupted
from vmmcompose.model.options import Options

AT_ONCE = 4
"""Projects that come up at the same time: each starts all its VMs at once already."""
_INTERRUPTED = 130
Group = tuple[str, str]
"""(project, "") or ("", single VM)."""


@click.command()
@click.option("--project", metavar="NAME", help="Only this project's.")
@click.option("--vm", metavar="NAME", help="Only this single VM.", shell_complete=complete.recorded_vms)
@click.option("--dry-run", is_flag=True, help="Only list them.")
@pass_invocation
def run(invocation: Invocation, project: str | None, vm: str | None, *, dry_run: bool) -> None:
    """Bring up the VMs that ran when the host went down, of what is enabled.

    The systemd unit calls this at boot. It is safe at any time: VMs of this boot are left as they are. Exit code 0
    when all of them answer, 1 when one does not.
    """
    due = _due(invocation)
    if dry_run:
        for group, names in due.items():
            click.echo(f"{_title(group)}: {' '.join(names)}")
    elif project is not None or vm is not None:
        group = (project or "", vm or "")
        if group in due:
            _bring_up(invocation, group, due[group])
    elif not due:
        invocation.say("nothing to bring up: no enabled VM ran when the host went down")
    else:
        _all(invocation, list(due))


def _due(invocation: Invocation) -> dict[Group, tuple[str, ...]]:
    from vmmcompose.host.autostart import read_enabled
    from vmmcompose.host.process import boot_id
    from vmmcompose.plan.autostart import groups

    records, unreadable = read_all(invocation)
    for bad in unreadable:
        if not bad.foreign:
            tell(f"the record of VM {bad.name} cannot be read, it is left alone: {bad.why}")
    return groups(records, read_enabled(invocation.paths()), boot_id())


def _bring_up(invocation: Invocation, group: Group, names: tuple[str, ...]) -> None:
    """One project or single VM, as its records know it: a manifest edited meanwhile is for `vmm up`."""
    from vmmcompose.cli.converging import Consent, converge_shown
    from vmmcompose.cli.targets import Target

    project, vm = group
    records = [
        record
        for record in read_all(invocation)[0]
        if record.spec.project == project and (project or record.spec.vm == vm)
    ]
    target = Target(as_recorded(project, records), names)
    options = Options(only=names, alone=True)
    converge_shown(invocation, target.with_power("running"), options, Consent(allowed=False))


def _all(invocation: Invocation, wanted: list[Group]) -> None:
    children: list[subprocess.Popen[str]] = []
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        codes = list(pool.map(lambda group: _child(invocation, group, children), wanted))
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in children:
            child.terminate()  # does nothing to one that has ended and was waited for
        pool.shutdown()
        raise Interrupted("interrupted", hint="`vmm autostart run` goes on") from None
    failed = [_title(group) for group, code in zip(wanted, codes, strict=True) if code]
    if _INTERRUPTED in codes:
        raise Interrupted("interrupted", hint="`vmm autostart run` goes on")
    if failed:
        count = f"{len(failed)} of {len(wanted)}"
        raise ApplyFailed(
            f"{count} did not come up as a whole: {', '.join(failed)}",
            hint="see above; `vmm autostart run` tries them again, `vmm plan` shows what is left",
        )
    invocation.say(f"brought up: {', '.join(map(_title, wanted))}")


def _child(invocation: Invocation, group: Group, children: list[subprocess.Popen[str]]) -> int:
    """Runs one group in a process of its own and passes on what it says, line by line."""
    project, vm = group
    command = [sys.executable, "-P", "-m", "vmmcompose", "--data-dir", invocation.settings().data_dir]
    command += ["--log-format", invocation.log_format]
    command += ["--quiet"] if invocation.quiet else []
    command += ["autostart", "run", *(("--project", project) if project else ("--vm", vm))]
    prefix = "" if invocation.log_format == "json" else f"{project or vm}: "
    # From the root folder, so that no vmm.yaml is found; and out of the terminal's reach, as Ctrl-C is passed on.
    with subprocess.Popen(
        command,
        cwd="/",
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as child:
        children.append(child)
        assert child.stderr is not None
        for line in child.stderr:
            tell(f"{prefix}{line.rstrip()}")
        return child.wait()


def _title(group: Group) -> str:
    project, vm = group
    return f"project {project}" if project else f"VM {vm}"
