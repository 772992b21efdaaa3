"""Checked data to `Desired`: forms become one, defaults are filled in, names are looked up."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from vmmcompose.manifest import clashes, dependencies, values, volumes
from vmmcompose.manifest.kinds import Kind, KindReader
from vmmcompose.manifest.profiles import Member, active
from vmmcompose.manifest.replicas import VARIABLE, filled, marks, replica_name
from vmmcompose.manifest.report import BAD, Report, quoted, subject
from vmmcompose.manifest.sections import SectionReader
from vmmcompose.manifest.source import At
from vmmcompose.model.choice import Choice
from vmmcompose.model.desired import Desired, DesiredVm, Volume
from vmmcompose.model.settings import Settings, VmDefaults

_PROJECT_LENGTH = values.HOST_NAME_LENGTH - 2


class Resolver:
    """Resolves one manifest. `settings.subnet` and `settings.gateway` must be good IPv4.

    `ssh_keys` are the public keys in `vm_defaults.ssh_key_path`; `choice` says which of the VMs are wanted.
    """

    def __init__(
        self,
        report: Report,
        settings: Settings,
        base_dir: str,
        ssh_keys: tuple[str, ...] = (),
        choice: Choice = Choice(),  # noqa: B008 - frozen
    ) -> None:
        self._report = report
        self._base_dir = base_dir
        self._choice = choice
        self._scale = dict(choice.scale)
        self._reader = SectionReader(report, settings, base_dir)
        self._host_defaults = _host_defaults(settings.vm_defaults, ssh_keys)

    def project(self, data: Mapping[str, Any], project: str) -> str:
        """The project's name: given, from the manifest, or from the directory."""
        report = self._report
        name = project or filled(data.get("name"), 1)
        if name is BAD:
            return ""
        if name is None:
            return self._directory_name()
        at: At = () if project else ("name",)
        hint = values.name_fault(name)
        if hint:
            report.add("name", at, f"the project name {quoted(name)} is not valid", hint)
        elif len(name) > _PROJECT_LENGTH:
            message = f"the project name {quoted(name)} has more than {_PROJECT_LENGTH} characters"
            report.add("name", at, message, "shorten it")
            return ""
        return "" if hint else name

    def _directory_name(self) -> str:
        directory = self._base_dir.rstrip("/").rpartition("/")[2]
        near = values.normalised_name(directory)
        if not near or len(near) > _PROJECT_LENGTH:
            message = f"the directory's name {quoted(directory or '/')} gives no project name"
            self._report.add("name", (), message, "add `name:` at the top")
            return ""
        return near

    def desired(self, data: Mapping[str, Any], project: str) -> Desired:
        """The project, as far as it is good."""
        report = self._report
        self._check_marks(data)
        defaults, entries = _mapping(data.get("defaults")), _mapping(data.get("vms"))
        reader = KindReader(self._reader, report, defaults, self._host_defaults)
        kinds = [reader.kind(name, _mapping(vm), self._replicas(name, vm)) for name, vm in entries.items()]
        declared = volumes.declared(_mapping(filled(data.get("volumes"), 1)), report)
        there = self._there(kinds, project)
        for kind in kinds:
            self._check_kind(kind, entries[kind.name], defaults, project)
        users = [kind.user(active=kind.name in there) for kind in kinds]
        volumes.check_use(users, declared, report)
        self._check_together(kinds, there)
        return self._assembled(project, kinds, there, volumes.existing(users, declared))

    def _replicas(self, name: str, vm: object) -> int | None:
        """How many there are to be of a VM with `replicas`; None without that key."""
        given = _mapping(vm).get("replicas")
        if given is None:
            return None
        return self._scale.get(name, given if isinstance(given, int) else 1)

    def _there(self, kinds: Iterable[Kind], project: str) -> frozenset[str]:
        members, replicas = {}, {}
        for kind in kinds:
            wanted = (one.vm for one, _ in kind.pattern.own.depends_on)
            members[kind.name] = Member(kind.pattern.fields.get("profiles", ()), frozenset(wanted))
            replicas.update(dict.fromkeys(kind.names, kind.name))
        named = [name if name in members else name.removeprefix(f"{project}-") for name in self._choice.names]
        return active(members, self._choice, [replicas.get(name, name) for name in named])

    def _assembled(
        self, project: str, kinds: list[Kind], there: frozenset[str], found: tuple[Volume, ...]
    ) -> Desired:
        replicas = {kind.name: kind.names for kind in kinds if kind.replicas is not None}
        ordered = sorted(kinds, key=lambda kind: kind.name)
        vms, inactive = (
            tuple(
                vm for kind in ordered if (kind.name in there) == wanted for vm in self._vms(kind, replicas)
            )
            for wanted in (True, False)
        )
        counts = tuple(
            (kind.name, kind.replicas) for kind in ordered if kind.replicas is not None and kind.name in there
        )
        return Desired(project, vms, self._base_dir, found, inactive, counts)

    def _vms(self, kind: Kind, replicas: Mapping[str, tuple[str, ...]]) -> Iterator[DesiredVm]:
        depends_on: dict[int, Any] = {}
        ports: dict[str, list[Any]] = {}
        for vm, forward, _ in kind.forwards(self._report):
            ports.setdefault(vm, []).append(forward)
        for one in kind.ones:
            name, wanted = replica_name(kind.name, one.number), one.own.depends_on
            if id(wanted) not in depends_on:
                depends_on[id(wanted)] = dependencies.expanded(wanted, replicas)
            if one.number:
                self._report.sources.name_replica(name, kind.name)
            yield DesiredVm(
                name=name,
                **one.fields,
                ports=tuple(sorted(ports.get(name, ()))),
                depends_on=depends_on[id(wanted)],
                volumes=volumes.of_replica(one.own.volumes, one.number),
                replica_of=kind.name if one.number else "",
                replica=one.number,
            )

    def _check_marks(self, data: Mapping[str, Any]) -> None:
        """Reports `${VMM_INDEX}` outside of VMs."""
        rest = {key: value for key, value in data.items() if key not in ("vms", "defaults")}
        for at in marks({key: value for key, value in rest.items() if not key.startswith("x-")}, ()):
            message = f"{subject(at)} has `{VARIABLE}`, which is known in a VM with `replicas` only"
            self._report.add("index", at, message, f"write `${VARIABLE}` for the text itself")

    def _check_kind(self, kind: Kind, vm: object, defaults: Mapping[str, Any], project: str) -> None:
        report, name = self._report, kind.name
        named = (_mapping(vm), defaults, self._host_defaults)
        if vm is not BAD and not any("image" in entries for entries in named):
            hint = (
                "add `image:` here or under `defaults`, or set vm_defaults.image; `vmm image list` shows them"
            )
            report.add("no-image", kind.at, f"VM {quoted(name)} has no image", hint)
        most = kind.pattern.fields.get("max_unavailable", 1)
        if kind.replicas is not None and 1 < kind.replicas <= most:
            at = (*kind.at, "update", "max_unavailable")
            message = (
                f"VM {quoted(name)} may have {most} replicas away at once, but has {kind.replicas} in all"
            )
            hint = f"at most {kind.replicas - 1}, so that one is always there"
            report.add("max-unavailable", at, message, hint)
        self._check_name(name, replica_name(name, kind.replicas or 0), project)

    def _check_name(self, name: str, longest: str, project: str) -> None:
        at, report = ("vms", name), self._report
        hint, whole = values.name_fault(name), f"{project}-{longest}"
        if hint:
            report.add("name", at, f"VM {quoted(name)} has no valid name", hint, on_key=True)
        elif len(longest) > values.NAME_LENGTH:
            what = "a name" if name == longest else "a replica's name"
            message = (
                f"VM {quoted(name)} has {what} of {len(longest)} characters, more than {values.NAME_LENGTH}"
            )
            report.add("name", at, message, "shorten it", on_key=True)
        elif project and len(whole) > values.HOST_NAME_LENGTH:
            most = values.HOST_NAME_LENGTH
            message = f"VM {quoted(longest)} would be called {quoted(whole)}, more than {most} characters"
            report.add(
                "name", at, message, "shorten the VM's name, or the project's with `name:`", on_key=True
            )

    def _check_together(self, kinds: list[Kind], there: frozenset[str]) -> None:
        report = self._report
        known = {kind.name: kind for kind in kinds}
        replicas = {name: kind.name for kind in kinds if kind.replicas is not None for name in kind.names}
        numbered = [(kind.name, kind.names) for kind in kinds if kind.replicas is not None]
        clashes.check_replica_names(numbered, known, report)
        # VMs that are there at different times may have the same ports and addresses.
        groups = [[kind for kind in kinds if kind.name in there]]
        groups += [[kind] for kind in kinds if kind.name not in there]
        for group in groups:
            clashes.check_ports(chain.from_iterable(kind.forwards(report) for kind in group), report)
            clashes.check_ips(chain.from_iterable(kind.addresses() for kind in group), report)
        graph = {kind.name: _waits(kind) for kind in kinds}
        dependencies.check_names(graph, known, replicas, report)
        by_kind = {
            vm: {replicas.get(name, name): at for name, at in wanted.items()} for vm, wanted in graph.items()
        }
        dependencies.check_circles(by_kind, report)


def _waits(kind: Kind) -> dict[str, At]:
    """What its VMs wait for, each with where it is said."""
    found: dict[str, At] = {}
    for depends_on in {
        id(one.own.depends_on): one.own.depends_on for one in (kind.pattern, *kind.ones)
    }.values():
        found.update((wanted.vm, at) for wanted, at in depends_on)
    return found


def _host_defaults(defaults: VmDefaults, ssh_keys: tuple[str, ...]) -> dict[str, Any]:
    """Fields of `DesiredVm` for what neither a VM nor the manifest's `defaults` say."""
    fields: dict[str, Any] = {
        "cpus": defaults.cpus,
        "memory_mib": defaults.memory_mib,
        "disk_mib": defaults.disk_mib,
        "kernel": defaults.kernel,
        "dns": defaults.dns_servers,
        "ssh_keys": ssh_keys,
    }
    if defaults.image:
        fields["image"] = defaults.image
    return fields


def _mapping(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - BAD and None count as empty
    return value if isinstance(value, dict) else {}
