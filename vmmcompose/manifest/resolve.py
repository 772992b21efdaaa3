"""Checked data to `Desired`: forms become one, defaults are filled in, names are looked up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vmmcompose.manifest import access, clashes, dependencies, network, storage, values
from vmmcompose.manifest.healthchecks import healthcheck
from vmmcompose.manifest.locations import store_item
from vmmcompose.manifest.pairs import Pairs, pairs
from vmmcompose.manifest.report import BAD, Report, quoted
from vmmcompose.manifest.source import At
from vmmcompose.model.desired import (
    DISK_MIB,
    MEMORY_MIB,
    Dependency,
    Desired,
    DesiredVm,
    Forward,
    GuestFile,
)
from vmmcompose.model.settings import Settings, VmDefaults

_PROJECT_LENGTH = values.HOST_NAME_LENGTH - 2


@dataclass(slots=True)
class _Section:
    """One VM, or the defaults, as far as it goes alone."""

    fields: dict[str, Any] = field(default_factory=dict)
    """Fields of `DesiredVm`."""
    env: Pairs = field(default_factory=dict)
    labels: Pairs = field(default_factory=dict)
    files: list[tuple[GuestFile, At]] | None = None
    ports: list[tuple[Forward, At]] = field(default_factory=list)
    depends_on: list[tuple[Dependency, At]] = field(default_factory=list)


class Resolver:
    """Resolves one manifest. `settings.subnet` and `settings.gateway` must be good IPv4.

    `ssh_keys` are the public keys in `vm_defaults.ssh_key_path`.
    """

    def __init__(
        self, report: Report, settings: Settings, base_dir: str, ssh_keys: tuple[str, ...] = ()
    ) -> None:
        self._report = report
        self._settings = settings
        self._base_dir = base_dir
        self._host_defaults = _host_defaults(settings.vm_defaults, ssh_keys)
        self._fields: dict[str, Callable[[_Section, Any, At], None]] = {
            "image": self._simple("image", store_item, base_dir),
            "kernel": self._simple("kernel", store_item, base_dir),
            "boot_args": self._simple("boot_args", values.boot_args),
            "cpus": self._simple("cpus", int),
            "memory": self._simple("memory_mib", values.size_mib, *MEMORY_MIB),
            "disk": self._simple("disk_mib", values.size_mib, *DISK_MIB),
            "hypervisor": self._simple("hypervisor", str),
            "hostname": self._simple("hostname", values.hostname),
            "ip": self._simple("ip", network.pinned_ip, settings),
            "dns": self._gathered("dns", network.name_servers),
            "ssh_keys": self._gathered("ssh_keys", access.ssh_keys, base_dir),
            "mounts": self._gathered("mounts", storage.mounts, base_dir),
            "healthcheck": self._gathered("healthcheck", healthcheck),
            "env": self._env,
            "labels": self._labels,
            "files": self._files,
            "ports": self._ports,
            "depends_on": self._depends_on,
        }

    def project(self, data: Mapping[str, Any], project: str) -> str:
        """The project's name: given, from the manifest, or from the directory."""
        report = self._report
        name = project or data.get("name")
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
        defaults = self._section(_mapping(data.get("defaults")), ("defaults",))
        entries = _mapping(data.get("vms"))
        sections = {name: self._section(_mapping(vm), ("vms", name)) for name, vm in entries.items()}
        vms = [self._vm(name, section, defaults, entries, data) for name, section in sections.items()]
        for name in entries:
            self._check_name(name, project)
        self._check_together(sections, entries)
        return Desired(project, tuple(sorted(vms, key=lambda vm: vm.name)), self._base_dir)

    def _section(self, entries: Mapping[str, Any], at: At) -> _Section:
        section = _Section()
        for key, value in entries.items():
            resolve = self._fields.get(key)
            if resolve and value is not BAD:
                resolve(section, value, (*at, key))
        return section

    def _vm(
        self,
        name: str,
        own: _Section,
        defaults: _Section,
        entries: Mapping[str, Any],
        data: Mapping[str, Any],
    ) -> DesiredVm:
        fields = {**self._host_defaults, **defaults.fields, **own.fields}
        vm = entries[name]
        named = (_mapping(vm), _mapping(data.get("defaults")), self._host_defaults)
        if vm is not BAD and not any("image" in entries for entries in named):
            hint = (
                "add `image:` here or under `defaults`, or set vm_defaults.image; `vmm image list` shows them"
            )
            self._report.add("no-image", ("vms", name), f"VM {quoted(name)} has no image", hint)
        tags = frozenset(mount.tag for mount in fields.get("mounts", ()))
        files = own.files if own.files is not None else defaults.files or []
        return DesiredVm(
            name=name,
            **{"image": "", **fields},
            ports=tuple(sorted(forward for forward, _ in own.ports)),
            depends_on=tuple(sorted(dependency for dependency, _ in own.depends_on)),
            labels=tuple(sorted({**defaults.labels, **own.labels}.items())),
            env=tuple(sorted({**defaults.env, **own.env}.items())),
            files=storage.check_files(files, tags, self._report),
        )

    def _check_name(self, name: str, project: str) -> None:
        at, report = ("vms", name), self._report
        hint, whole = values.name_fault(name), f"{project}-{name}"
        if hint:
            report.add("name", at, f"VM {quoted(name)} has no valid name", hint, on_key=True)
        elif len(name) > values.NAME_LENGTH:
            message = (
                f"VM {quoted(name)} has a name of {len(name)} characters, more than {values.NAME_LENGTH}"
            )
            report.add("name", at, message, "shorten it", on_key=True)
        elif project and len(whole) > values.HOST_NAME_LENGTH:
            most = values.HOST_NAME_LENGTH
            message = f"VM {quoted(name)} would be called {quoted(whole)}, more than {most} characters"
            report.add(
                "name", at, message, "shorten the VM's name, or the project's with `name:`", on_key=True
            )

    def _check_together(self, sections: Mapping[str, _Section], entries: Mapping[str, Any]) -> None:
        report = self._report
        clashes.check_ports(((vm, *port) for vm, own in sections.items() for port in own.ports), report)
        pinned = ((vm, own.fields["ip"]) for vm, own in sections.items() if own.fields.get("ip"))
        clashes.check_ips(((vm, ip, ("vms", vm, "ip")) for vm, ip in pinned), report)
        graph = {vm: {wanted.vm: at for wanted, at in own.depends_on} for vm, own in sections.items()}
        dependencies.check_names(graph, entries, report)
        dependencies.check_circles(graph, report)

    def _simple(
        self, name: str, parse: Callable[..., Any], *more: object
    ) -> Callable[[_Section, Any, At], None]:
        def resolve(section: _Section, value: Any, at: At) -> None:  # noqa: ANN401
            found = self._report.attempt(at, parse, value, *more)
            if found is not None:
                section.fields[name] = found

        return resolve

    def _gathered(
        self, name: str, gather: Callable[..., Any], *more: object
    ) -> Callable[[_Section, Any, At], None]:
        def resolve(section: _Section, value: Any, at: At) -> None:  # noqa: ANN401
            section.fields[name] = gather(value, at, self._report, *more)

        return resolve

    def _env(self, section: _Section, value: Any, at: At) -> None:  # noqa: ANN401
        section.env = pairs(value, at, self._report, values.env_key)

    def _labels(self, section: _Section, value: Any, at: At) -> None:  # noqa: ANN401
        section.labels = pairs(value, at, self._report, values.label_key)

    def _files(self, section: _Section, value: Any, at: At) -> None:  # noqa: ANN401
        section.files = storage.files(value, at, self._report, self._base_dir)

    def _ports(self, section: _Section, value: Any, at: At) -> None:  # noqa: ANN401
        section.ports = network.forwards(value, at, self._report)

    def _depends_on(self, section: _Section, value: Any, at: At) -> None:  # noqa: ANN401
        section.depends_on = dependencies.dependencies(value, at, self._report)


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
