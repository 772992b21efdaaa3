"""`vmm uninstall`: this host as it was before `vmm`."""

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from vmmcompose.cli.grace import grace_option
from vmmcompose.cli.invocation import Invocation, pass_invocation, tell
from vmmcompose.errors import HostError, Refused

if TYPE_CHECKING:
    from vmmcompose.model.observed import VmProcess
    from vmmcompose.model.record import Record

_HELP = """Remove what vmm has put on this host: running VMs are shut down, bridge, TAPs and rules go, kernel
switches are set back, and the unit that starts VMs at boot is removed.

Records, disks, images and settings stay unless --purge is said. What others made is never touched: other data
folders' VMs, other tools' links, rules, processes and files. Names what goes before it asks; run again, it goes on
where it was interrupted. The program itself is removed the way it was installed (`install.sh --uninstall`, pipx).

\b
Examples:
  vmm uninstall                  everything but the data
  vmm uninstall --purge          VMs with their disks, images, kernels, keys and config.json too
  vmm uninstall --purge --yes    without asking"""


@dataclass(frozen=True, slots=True)
class _Found:
    """What there is to remove."""

    records: tuple["Record", ...]
    running: tuple[str, ...]
    strays: tuple["VmProcess", ...]
    network: bool
    unit: bool
    completions: tuple[str, ...]
    stored: tuple[str, ...]
    """With --purge only."""
    config: str
    """With --purge only; empty where there is none, or another tool uses it too."""


@click.command(help=_HELP)
@click.option("--purge", is_flag=True, help="Also VMs with their disks, images, kernels, keys and settings.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@grace_option
@pass_invocation
def uninstall(invocation: Invocation, grace: float | None, *, purge: bool, yes: bool) -> None:
    """`vmm uninstall`."""
    from vmmcompose.host.access import require_root

    require_root("removing vmm from this host")
    found = _look(invocation, purge=purge)
    lines = _lines(invocation, found, purge=purge)
    if not lines and not found.stored:
        invocation.say("nothing to do: there is nothing of vmm's on this host")
        return
    if lines:  # else only locks are left, which nobody misses
        _agree(invocation, lines, yes=yes)
    _remove(invocation, found, grace, purge=purge)


def _look(invocation: Invocation, *, purge: bool) -> _Found:
    from vmmcompose.cli.ps import live_state
    from vmmcompose.host import autostart, removal
    from vmmcompose.host.records import read_records
    from vmmcompose.model.autostart import Enabled
    from vmmcompose.model.settings import Settings

    settings, paths = invocation.settings(), invocation.paths()
    records, unreadable = read_records(paths)
    broken = [bad for bad in unreadable if not bad.foreign]
    if broken:
        raise HostError(
            f"the record of VM {broken[0].name} cannot be read ({broken[0].why}); it may run, so nothing was removed",
            hint=f"mend {broken[0].path}, or delete it if its VM is gone",
        )
    protected = [record.spec.name for record in records if purge and record.spec.prevent_delete]
    if protected:
        raise Refused(
            f"the `lifecycle.prevent_delete` of {', '.join(protected)} forbids it; nothing was removed",
            hint="take it out of the manifest and run `vmm up` first",
        )
    default = settings.data_dir == Settings().data_dir
    return _Found(
        records,
        tuple(r.spec.name for r in records if live_state(r, frozenset()) in ("running", "paused")),
        tuple(removal.stray_processes(paths)),
        removal.network_there(settings),
        autostart.unit_installed(settings) or autostart.read_enabled(paths) != Enabled(),
        tuple(removal.completions()) if default else (),
        tuple(removal.stored_things(paths)) if purge else (),
        _config(invocation) if purge and default else "",
    )


def _config(invocation: Invocation) -> str:
    """The settings file, unless baremetalvmm has settings in it as well or this run is for another data folder."""
    import os

    from vmmcompose.host.configfile import Pairs, config_path, parse_config, read_config
    from vmmcompose.host.settingkeys import FOREIGN

    invocation.settings()  # faults in it are told here
    path = config_path(os.environ)
    text = read_config(path, os.environ, [])
    if text is None:
        return ""
    pairs: Pairs = parse_config(text, path, [])
    return "" if any(name in FOREIGN for name, _ in pairs) else path


def _lines(invocation: Invocation, found: _Found, *, purge: bool) -> list[str]:
    """What goes, one line each."""
    from vmmcompose.host.removal import allocated_bytes

    lines = [f"VM {name} is shut down" for name in found.running]
    lines += [
        f"{s.driver} process {s.process.pid} (VM id {s.vm_id}, no record) is ended" for s in found.strays
    ]
    if found.unit:
        lines.append("no VM is started at boot any more")
    if found.network or found.running:
        lines.append(f"bridge {invocation.settings().bridge_name}, TAPs, rules and kernel switches")
    lines += found.completions
    if not purge:
        return lines
    paths = invocation.paths()
    for record in found.records:
        name = record.spec.name
        folders = (paths.vm_dir(name), paths.mount_dir(name), paths.logs(name), paths.snapshots(name))
        lines.append(f"VM {name} with its disks ({_size(sum(allocated_bytes(str(one)) for one in folders))})")
    stored = [(path, allocated_bytes(path)) for path in found.stored if not path.endswith(".lock")]
    lines += [f"{path} ({_size(size)})" for path, size in stored]
    return [*lines, found.config] if found.config else lines


def _size(size: int) -> str:
    from vmmcompose.render.tables import mib

    return mib(size)


def _agree(invocation: Invocation, lines: list[str], *, yes: bool) -> None:
    say = invocation.say if yes else tell  # -q hides no question's reason
    for line in ("to be removed:", *(f"  {line}" for line in lines)):
        say(line)
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Refused("nothing was removed: nobody can be asked here", hint="say --yes if that is meant")
    if not click.confirm("Remove all this?", default=False, err=True):
        raise Refused("nothing was removed")


def _remove(invocation: Invocation, found: _Found, grace: float | None, *, purge: bool) -> None:
    """In an order in which every interruption leaves something that the next run finds."""
    from vmmcompose.drivers import driver
    from vmmcompose.host import autostart, removal
    from vmmcompose.model.autostart import Enabled
    from vmmcompose.plan.work import STOP_S

    settings, paths = invocation.settings(), invocation.paths()
    autostart.write_enabled(paths, Enabled())
    autostart.remove_unit(settings)
    for stray in found.strays:
        driver(stray.driver).stop(paths, stray.vm_id, stray.process, STOP_S if grace is None else grace)
    removal.delete_stray_taps(settings, paths)
    _end_vms(invocation, found, grace, purge=purge)
    removal.clear_network(settings, paths)
    removal.remove_completions(found.completions)
    if found.config:
        _remove_config(found.config)
    if purge:
        left = removal.remove_stored(paths, removal.stored_things(paths))
        if left:
            invocation.say(f"left in {settings.data_dir}, as vmm does not know it: {', '.join(left)}")
    else:
        invocation.say(f"records, disks and images are kept in {settings.data_dir}; --purge removes them")


def _end_vms(invocation: Invocation, found: _Found, grace: float | None, *, purge: bool) -> None:
    from vmmcompose.cli.converging import Consent, converge_shown
    from vmmcompose.cli.project import as_recorded
    from vmmcompose.cli.targets import Target
    from vmmcompose.model.options import Options

    groups: dict[tuple[str, str], list[Record]] = {}
    for record in found.records:
        spec = record.spec
        groups.setdefault((spec.project, "" if spec.project else spec.vm), []).append(record)
    options = Options(grace_s=grace, alone=True, remove_orphans=True, wait=False, delete_volumes=purge)
    for (project, _vm), records in sorted(groups.items()):
        target = Target(as_recorded(project, records), ())
        # What is lost has been shown and agreed to.
        converge_shown(
            invocation, target.with_power("absent" if purge else "stopped"), options, Consent(allowed=True)
        )


def _remove_config(path: str) -> None:
    """With the invoking user's rights, as everything in a home."""
    import os
    from contextlib import suppress

    from vmmcompose.host.identity import acting_as, invoking_user

    try:
        with acting_as(invoking_user(os.environ)):
            os.unlink(path)
            with suppress(OSError):
                os.rmdir(os.path.dirname(path))
    except FileNotFoundError:
        return
    except OSError as error:
        raise HostError(f"cannot delete {path}: {error.strerror}") from error
