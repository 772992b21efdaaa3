"""`vmm export`."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from vmmcompose.cli.invocation import Invocation, pass_invocation
from vmmcompose.cli.output import make_folder, write_file
from vmmcompose.cli.project import load_desired

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmmcompose.model.desired import Desired, DesiredVm
    from vmmcompose.model.problem import Problem
    from vmmcompose.plan.specs import Specs
    from vmmcompose.render.export import Export, Installation

TARGETS = ("compose-services", "kubevirt", "nomad", "systemd")

_HELP = """Write the project down for another engine, when it outgrows this host.

\b
  compose-services  compose.yaml: a service for each VM
  kubevirt          VirtualMachines, volumes and services for Kubernetes
  nomad             a job with a group for each VM, or for replicas
  systemd           units that start and stop each VM with vmm, on this host

What a target has no place for is told on standard error, key by key; with --strict it is an error, and nothing
is written. Values of `env` and contents of `files` stand in the files as they are: only you may read them.

\b
Examples:
  vmm export --to compose-services -o compose.yaml
  vmm export --to kubevirt | kubectl apply -f -
  sudo vmm export --to systemd -o /etc/systemd/system"""


@click.command(help=_HELP)
@click.option("--to", "target", type=click.Choice(TARGETS), required=True, help="The engine.")
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="DIR|FILE",
    help="Write there instead of to standard output; several files go into a folder.",
)
@click.option("--strict", is_flag=True, help="Fail when anything has to be left out.")
@pass_invocation
def export(invocation: Invocation, target: str, output: str | None, *, strict: bool) -> None:
    """`vmm export`."""
    from vmmcompose.cli.converging import show_notes
    from vmmcompose.model.plan import Plan
    from vmmcompose.render.export import TARGETS as KNOWN
    from vmmcompose.render.export import export as write

    desired = _filled(invocation, load_desired(invocation, from_records=False), target)
    made = write(desired, target, _installation(invocation))
    if strict and made.notes:
        _refuse(invocation, [replace(note, severity="error") for note in made.notes])
    _save(made, output, private=KNOWN[target].private)
    show_notes(invocation, Plan(desired.project, problems=made.notes), ())


def _filled(invocation: Invocation, desired: "Desired", target: str) -> "Desired":
    """The project with the files it names read, as far as the target has a use for them."""
    from vmmcompose.host.sources import read_file
    from vmmcompose.model.observed import Observed
    from vmmcompose.plan.specs import choose_specs
    from vmmcompose.render.export import TARGETS as KNOWN

    if KNOWN[target].refers:
        return desired
    lost = KNOWN[target].lost
    vms = (*desired.vms, *desired.inactive)
    paths = [key for vm in vms for key in vm.ssh_keys if key.startswith("/") and "ssh_keys" not in lost]
    paths += [file.source for vm in vms for file in vm.files if file.source and "files" not in lost]
    paths += [s.source for vm in vms for s in vm.provision if s.source and "provision" not in lost]
    if not paths:
        return desired
    observed = Observed(sources={path: read_file(path) for path in dict.fromkeys(paths)})
    everything = replace(desired, vms=vms, inactive=())
    specs = choose_specs(everything, observed, invocation.settings(), frozenset(), {})
    problems = [
        problem
        for vm in vms
        for problem in specs.problems.get(vm.name, ())
        if problem.at[2:3] and problem.at[2] not in lost
    ]
    if problems:
        _refuse(invocation, problems)
    return replace(
        desired,
        vms=tuple(_as_read(vm, specs) for vm in desired.vms),
        inactive=tuple(_as_read(vm, specs) for vm in desired.inactive),
    )


def _as_read(vm: "DesiredVm", specs: "Specs") -> "DesiredVm":
    spec = specs.by_vm[vm.name]
    return replace(vm, ssh_keys=spec.ssh_keys, files=spec.files, provision=spec.provision)


def _installation(invocation: Invocation) -> "Installation":
    import sys

    from vmmcompose.cli.autostart.choosing import unit_environment
    from vmmcompose.render.export import Installation

    program = (sys.executable, "-P", "-m", "vmmcompose", "--data-dir", invocation.settings().data_dir)
    return Installation(program, tuple(sorted(unit_environment(invocation).items())))


def _save(made: "Export", output: str | None, *, private: bool) -> None:
    if output is None or output == "-":
        for file in made.files:
            if len(made.files) > 1:
                click.echo(f"# {file.name}")
            click.echo(file.text, nl=False)
    elif len(made.files) == 1 and not output.endswith("/") and not os.path.isdir(output):
        write_file(output, made.files[0].text, private=private)
    else:
        make_folder(output)
        for file in made.files:
            write_file(os.path.join(output, file.name), file.text, private=private)


def _refuse(invocation: Invocation, problems: "Sequence[Problem]") -> None:
    from vmmcompose.cli.converging import located
    from vmmcompose.errors import Refused

    count = "one key" if len(problems) == 1 else f"{len(problems)} keys"
    with located(invocation):
        raise Refused(f"{count} cannot be exported; nothing was written", problems=problems)
