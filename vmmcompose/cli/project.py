"""Which project and which VMs a command means: from the manifest, or from the records alone."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from vmmcompose.cli import complete
from vmmcompose.errors import HostError, UsageError
from vmmcompose.model.desired import Desired, DesiredVm, Power, Volume
from vmmcompose.model.record import Record, UnreadableRecord
from vmmcompose.model.spec import VmSpec, host_name

if TYPE_CHECKING:
    from vmmcompose.cli.invocation import Invocation
    from vmmcompose.cli.scale import Scale

target_option = click.option(
    "--target",
    multiple=True,
    metavar="ADDRESS",
    shell_complete=complete.vms,
    help="Only this VM and what it depends on: `web` or `vm/web` (repeatable); the same as naming it.",
)
_SHOWN = 5
"""Names of replicas that a hint shows."""
_NAME = rb"(?m)^name: *([a-z0-9][a-z0-9-]*) *(?:#.*)?\r?$"
"""The usual spelling of a manifest's name. Anything else is left to the parser."""
_MAYBE_NAME = rb"(?m)^[^ #\r\n]*name|^\s*\{|^ *\? "
"""Where another spelling may be."""


def load_desired(
    invocation: "Invocation", *, from_records: bool, names: Sequence[str] = (), scale: "Scale" = ()
) -> Desired:
    """The manifest's project, or, where there is no manifest, the one named with -p as its records know it.

    VMs named are there whatever their profiles are; `scale` has other numbers of replicas than the manifest.

    Raises:
        UsageError: no manifest, and no project that has records; or `scale` is about a VM that has no replicas.
        ManifestInvalid: the manifest has problems.
    """
    try:
        from vmmcompose.host.manifests import located

        located(invocation.reading())
    except UsageError:
        if from_records and invocation.project and not invocation.files:
            return desired_from_records(invocation)
        raise
    from vmmcompose.loading import load_project

    invocation.manifest = load_project(invocation.settings(), invocation.reading(tuple(names), scale))
    desired = invocation.manifest.desired
    if scale:
        from vmmcompose.cli.scale import check_scale

        check_scale(desired, scale)
    return desired


_POWERS: Mapping[str, Power] = {"stopped": "stopped", "stopping": "stopped", "paused": "paused"}


def desired_from_records(invocation: "Invocation") -> Desired:
    """A project as its records know it, everything as it is. One of which only volumes are left has no VMs.

    Raises:
        UsageError: it has neither records nor volumes.
    """
    from vmmcompose.host.volumes import read_volumes

    records = [r for r in read_all(invocation)[0] if r.spec.project == invocation.project]
    if not records and not read_volumes(invocation.paths(), invocation.project):
        known = {record.spec.project for record in read_all(invocation)[0]} - {""}
        raise UsageError(
            f"there is no vmm.yaml here, and no VM of a project {invocation.project!r} on this host",
            hint=nearest(invocation.project, known),
        )
    return as_recorded(invocation.project, records)


def as_recorded(project: str, records: Iterable[Record]) -> Desired:
    """These VMs as their records know them."""
    vms = tuple(desired_vm(record) for record in records)
    named = sorted({attachment.volume for vm in vms for attachment in vm.volumes})
    return Desired(project, vms, volumes=tuple(Volume(name, size_mib=0) for name in named))


def project_name(invocation: "Invocation") -> str:
    """The project's name without parsing the manifest where it is plain to see; empty without a project."""
    if invocation.project:
        return invocation.project
    from vmmcompose.host.manifests import located, read_file

    try:
        files = located(invocation.reading()).files
        texts = [read_file(path) or b"" for path in files]
    except (UsageError, HostError):
        if invocation.files:
            raise
        return ""
    name = _plain_name(texts)
    if name:
        return name
    from vmmcompose.loading import load_project

    return load_project(invocation.settings(), invocation.reading()).desired.project


def _plain_name(texts: Sequence[bytes]) -> str:
    """The name in the last manifest that has one; empty where one may be spelled in another way."""
    for text in reversed(texts):
        names = re.findall(_NAME, text)
        if len(names) == 1:
            return str(names[0], "ascii")
        if len(texts) == 1 or names or re.search(_MAYBE_NAME, text):
            break
    return ""


def meanings(desired: Desired) -> dict[str, tuple[str, ...]]:
    """What each name means: a VM itself, one with `replicas` all of them and itself, which stands for their number."""
    found: dict[str, list[str]] = {vm: [] for vm, _ in desired.replicas}
    for vm in desired.vms:
        if vm.replica_of:
            found.setdefault(vm.replica_of, []).append(vm.name)
    return {vm.name: (vm.name,) for vm in desired.vms} | {vm: (*names, vm) for vm, names in found.items()}


def choose(desired: Desired, names: Sequence[str]) -> tuple[str, ...]:
    """The VMs named, each once and in order; host names (`<project>-<vm>`) are understood as well.

    The name of a VM with `replicas` means all of them, and stays in the result too: there may be none.

    Raises:
        UsageError: there is no such VM.
    """
    known = meanings(desired)
    chosen: dict[str, None] = {}
    for name in names:
        short = name if name in known else name.removeprefix(f"{desired.project}-")
        if short not in known:
            hint = nearest(name, known) or f"project {desired.project} has {', '.join(known) or 'no VMs'}"
            raise UsageError(f"there is no VM {name!r} in project {desired.project}", hint=hint)
        chosen.update(dict.fromkeys(known[short]))
    return tuple(chosen)


def targets(names: Sequence[str]) -> tuple[str, ...]:
    """The VMs' names in `--target` addresses: `web` and `vm/web` are the same.

    Raises:
        UsageError: something else than a VM is named.
    """
    for name in names:
        if "/" in name and not name.startswith("vm/"):
            raise UsageError(f"{name!r} cannot be a target", hint="a target is a VM: `--target vm/web`")
    return tuple(name.removeprefix("vm/") for name in names)


def with_power(desired: Desired, names: Sequence[str], power: Power) -> Desired:
    """The same project with another power for some VMs; without names for all."""
    vms = (replace(vm, power=power) if not names or vm.name in names else vm for vm in desired.vms)
    return replace(desired, vms=tuple(vms))


def with_everybody(desired: Desired) -> Desired:
    """The same project for a command that ends VMs: profiles mean nothing to it, nor does how many there should be."""
    return replace(desired, vms=desired.vms + desired.inactive, inactive=(), replicas=())


def find_record(invocation: "Invocation", name: str, *, any_replica: bool = False) -> Record:
    """A VM's record, by its short name in this project or by its name on the host.

    With `any_replica` the name of a VM with replicas means the first of them that is on this host.

    Raises:
        UsageError: there is none, or the name means several.
        HostError: it is there and cannot be read.
    """
    found = find_records(invocation, name)
    if len(found) > 1 and not any_replica:
        known = [record.spec.vm for record in found]
        shown = [*known[:_SHOWN], "…"] if len(known) > _SHOWN else known
        raise UsageError(f"{name!r} means {len(known)} VMs", hint=f"name one of them: {', '.join(shown)}")
    return found[0]


def find_records(invocation: "Invocation", name: str) -> tuple[Record, ...]:
    """The records that a name means: one VM's, or those of all replicas of one, by number.

    Raises:
        UsageError: there is none.
        HostError: it is there and cannot be read.
    """
    records, unreadable = read_all(invocation)
    project = project_name(invocation)
    mine = [record for record in records if record.spec.project == project]
    ways = (
        [record for record in mine if record.spec.vm == name],
        [record for record in mine if record.spec.replica_of == name],
        [record for record in records if record.spec.name == name],
        [record for record in records if kind_name(record.spec) == name],
    )
    for found in filter(None, ways):
        return tuple(sorted(found, key=lambda record: record.spec.replica))
    _blocked(unreadable, {name, f"{project}-{name}"})
    known = [record.spec.vm for record in mine]
    known += [record.spec.replica_of for record in mine if record.spec.replica_of]
    known += [record.spec.name for record in records]
    where = f"project {project}" if project else "this host"
    hint = nearest(name, known) or (
        f"`vmm up {name}` makes it, if the manifest has it" if project else "`vmm list` shows all"
    )
    raise UsageError(f"{where} has no VM {name!r}", hint=hint)


def kind_name(spec: VmSpec) -> str:
    """What all replicas of a VM are called on the host: `<project>-<vm>`; empty for what is no replica."""
    return host_name(spec.project, spec.replica_of) if spec.replica_of else ""


def read_all(invocation: "Invocation") -> tuple[tuple[Record, ...], tuple[UnreadableRecord, ...]]:
    """All records of this host."""
    from vmmcompose.host.records import read_records

    return read_records(invocation.paths())


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean `web`?`, or nothing."""
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), 1)
    return f"did you mean {near[0]!r}?" if near else ""


def _blocked(unreadable: Iterable[UnreadableRecord], names: set[str]) -> None:
    for found in unreadable:
        if found.name in names:
            kind = "belongs to baremetalvmm" if found.foreign else "cannot be read"
            raise HostError(f"the record of VM {found.name} {kind}: {found.why}", hint=f"see {found.path}")


def desired_vm(record: Record) -> DesiredVm:
    """A VM as its record knows it."""
    spec = record.spec
    return DesiredVm(
        name=spec.vm,
        image=spec.image,
        kernel=spec.kernel,
        boot_args=spec.boot_args,
        cpus=spec.cpus,
        memory_mib=spec.memory_mib,
        disk_mib=spec.disk_mib,
        hypervisor=spec.driver,
        ssh_keys=spec.ssh_keys,
        dns=spec.dns,
        hostname=spec.hostname,
        # The lease is kept by the record; pinned, it would be an error after a change of the subnet.
        ip="",
        mounts=spec.mounts,
        ports=spec.ports,
        depends_on=spec.depends_on,
        healthcheck=spec.healthcheck,
        labels=spec.labels,
        env=spec.env,
        files=spec.files,
        power=_POWERS.get(record.state, "running"),
        volumes=spec.volumes,
        provision=spec.provision,
        restart=spec.restart,
        stop_grace_s=spec.stop_grace_s,
        prevent_delete=spec.prevent_delete,
        replica_of=spec.replica_of,
        replica=spec.replica,
        max_unavailable=spec.max_unavailable,
    )
