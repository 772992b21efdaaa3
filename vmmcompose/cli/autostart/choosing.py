"""`vmm autostart enable`, `disable` and `list`."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from vmmcompose.cli import complete
from vmmcompose.cli.invocation import Invocation, pass_invocation, print_json
from vmmcompose.cli.project import find_records, project_name, read_all
from vmmcompose.errors import UsageError
from vmmcompose.model.autostart import Enabled

if TYPE_CHECKING:
    from vmmcompose.host.settings import Value

SCHEMA_VERSION = 1

_vms = click.argument("vms", metavar="[VM]...", nargs=-1, shell_complete=complete.recorded_vms)
_project = click.option(
    "--project",
    "project",
    metavar="NAME|DIR",
    help="A project, by its name or its folder [default: the one here].",
)


@click.command()
@_vms
@_project
@pass_invocation
def enable(invocation: Invocation, vms: tuple[str, ...], project: str | None) -> None:
    """Bring a project or VMs up when the host boots, if they ran when it went down.

    The settings of whoever enables (bridge, subnet, programs) are kept in the unit.

    \b
    Examples:
      vmm autostart enable                  the project in this folder
      vmm autostart enable --project ./shop
      vmm autostart enable dev shop-web     VMs by their names on the host
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    from vmmcompose.host import autostart
    from vmmcompose.host.access import require_root

    chosen = _chosen(invocation, vms, project, known=True)
    require_root("changing what starts at boot")
    settings, paths = invocation.settings(), invocation.paths()
    with _list_lock(invocation):
        autostart.write_enabled(paths, autostart.read_enabled(paths).with_(chosen))
        unit = autostart.install_unit(settings, unit_environment(invocation))
    invocation.say(f"{_words(chosen)}: brought up at boot if it ran before ({unit})")


@click.command()
@_vms
@_project
@click.option("--all", "everything", is_flag=True, help="Everything that is enabled.")
@pass_invocation
def disable(invocation: Invocation, vms: tuple[str, ...], project: str | None, *, everything: bool) -> None:
    """Bring a project or VMs up at boot no longer. What runs now runs on.

    With the last of them the unit goes.
    """
    from vmmcompose.host import autostart
    from vmmcompose.host.access import require_root

    chosen = Enabled() if everything else _chosen(invocation, vms, project, known=False)
    require_root("changing what starts at boot")
    paths = invocation.paths()
    with _list_lock(invocation):
        before = autostart.read_enabled(paths)
        left = Enabled() if everything else before.without(chosen)
        autostart.write_enabled(paths, left)
        if left == Enabled():
            autostart.remove_unit(invocation.settings())
    if left == before:
        invocation.say("nothing to do: it was not enabled")
    else:
        invocation.say(f"{_words(before.without(left))}: not brought up at boot any more")


@click.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="As JSON, with a versioned shape.")
@pass_invocation
def list_enabled(invocation: Invocation, *, as_json: bool) -> None:
    """List the projects and VMs that are brought up at boot, and which VMs of them are on this host."""
    from vmmcompose.host import autostart

    enabled = autostart.read_enabled(invocation.paths())
    specs = [record.spec for record in read_all(invocation)[0]]
    rows: list[dict[str, Any]] = [
        {"kind": "project", "name": name, "vms": [spec.vm for spec in specs if spec.project == name]}
        for name in enabled.projects
    ]
    rows += [
        {"kind": "vm", "name": name, "vms": [spec.vm for spec in specs if spec.name == name]}
        for name in enabled.vms
    ]
    installed = autostart.unit_installed(invocation.settings())
    if as_json:
        unit = {"name": autostart.unit_name(invocation.settings()), "installed": installed}
        print_json({"schema_version": SCHEMA_VERSION, "unit": unit, "enabled": rows})
        return
    from vmmcompose.cli.stored import print_table

    print_table(
        ("KIND", "NAME", "VMS"), [(row["kind"], row["name"], " ".join(row["vms"]) or "-") for row in rows]
    )
    if rows and not installed:
        invocation.say("the unit is not installed; `vmm autostart enable` installs it")


def _chosen(invocation: Invocation, vms: tuple[str, ...], project: str | None, *, known: bool) -> Enabled:
    """What the command line names; `known` asks that VMs have records, which one that was deleted has not."""
    if vms and project is not None:
        raise UsageError("name VMs or a project, not both")
    if not vms:
        return Enabled(projects=(_project_named(invocation, project),))
    return Enabled(
        vms=tuple(sorted({vm for name in vms for vm in _vms_named(invocation, name, known=known)}))
    )


def _project_named(invocation: Invocation, project: str | None) -> str:
    if project is None:
        found = project_name(invocation)
        if not found:
            hint = "name VMs, or a project with --project; `vmm list` shows all"
            raise UsageError("which project? There is no vmm.yaml here", hint=hint)
        return found
    if os.sep in project or os.path.isfile(os.path.join(project, "vmm.yaml")):
        return project_name(replace(invocation, files=(project,), project=""))
    return project


def _vms_named(invocation: Invocation, name: str, *, known: bool) -> list[str]:
    try:
        return [record.spec.name for record in find_records(invocation, name)]
    except UsageError:
        if known:
            raise
        return [name]


def _words(chosen: Enabled) -> str:
    return ", ".join(
        [*(f"project {name}" for name in chosen.projects), *(f"VM {name}" for name in chosen.vms)]
    )


def _list_lock(invocation: Invocation) -> Any:  # noqa: ANN401 - a context manager
    from vmmcompose.host.files import make_dir
    from vmmcompose.host.locks import hold

    make_dir(invocation.paths().root, 0o755)
    return hold(invocation.paths().lock("autostart"), "what starts at boot", on_wait=invocation.say)


def unit_environment(invocation: Invocation) -> dict[str, str]:
    """The settings that differ from those built in, as variables. `vm_defaults` matter to new VMs only."""
    from vmmcompose.host.settingkeys import KEYS
    from vmmcompose.host.settings import read_settings

    found: dict[str, Value] = read_settings(invocation.data_dir)
    return {
        KEYS[name].variable: str(value.data)
        for name, value in found.items()
        if value.source != "built in" and value.data and "." not in name and KEYS[name].kind == "text"
    }
