"""The settings of one VM, or of `defaults`, as far as they go alone: every form of each key becomes one."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from vmmcompose.manifest import (
    access,
    dependencies,
    network,
    provisioning,
    storage,
    values,
    volumes,
    watching,
)
from vmmcompose.manifest.healthchecks import healthcheck
from vmmcompose.manifest.locations import store_item
from vmmcompose.manifest.pairs import Pairs, pairs
from vmmcompose.manifest.profiles import profiles
from vmmcompose.manifest.report import BAD, Report
from vmmcompose.manifest.source import At
from vmmcompose.manifest.volumes import Found as Volumes
from vmmcompose.model.desired import DISK_MIB, MEMORY_MIB, GuestFile
from vmmcompose.model.settings import Settings


@dataclass(slots=True)
class Section:
    """What a mapping of settings says."""

    fields: dict[str, Any] = field(default_factory=dict)
    """Fields of `DesiredVm`."""
    env: Pairs = field(default_factory=dict)
    labels: Pairs = field(default_factory=dict)
    files: list[tuple[GuestFile, At]] | None = None
    ports: network.Found = field(default_factory=list)
    depends_on: dependencies.Found = field(default_factory=list)
    volumes: Volumes = field(default_factory=list)
    watch: watching.Found | None = None

    def copy(self) -> "Section":
        """One to which more can be added."""
        return replace(self, fields=dict(self.fields))


class SectionReader:
    """Reads sections of one manifest."""

    def __init__(self, report: Report, settings: Settings, base_dir: str) -> None:
        self._report = report
        self._base_dir = base_dir
        self._keys: dict[str, Callable[[Section, Any, At], None]] = {
            "image": self._simple("image", store_item, base_dir),
            "kernel": self._simple("kernel", store_item, base_dir),
            "boot_args": self._simple("boot_args", values.boot_args),
            "cpus": self._simple("cpus", int),
            "memory": self._simple("memory_mib", values.size_mib, *MEMORY_MIB),
            "disk": self._simple("disk_mib", values.size_mib, *DISK_MIB),
            "hypervisor": self._simple("hypervisor", str),
            "hostname": self._simple("hostname", values.hostname),
            "ip": self._simple("ip", network.pinned_ip, settings),
            "restart": self._simple("restart", str),
            "stop_grace_period": self._simple("stop_grace_s", values.seconds, 0.0),
            "lifecycle": self._inner("prevent_delete", "prevent_delete"),
            "update": self._inner("max_unavailable", "max_unavailable"),
            "dns": self._gathered("dns", network.name_servers),
            "ssh_keys": self._gathered("ssh_keys", access.ssh_keys, base_dir),
            "mounts": self._gathered("mounts", storage.mounts, base_dir),
            "provision": self._gathered("provision", provisioning.provision, base_dir),
            "profiles": self._gathered("profiles", profiles),
            "healthcheck": self._gathered("healthcheck", healthcheck),
            "env": self._env,
            "labels": self._labels,
            "files": self._files,
            "ports": self._ports,
            "depends_on": self._depends_on,
            "volumes": self._volumes,
            "watch": self._watch,
        }

    def read(self, entries: Mapping[str, Any], at: At, begun: Section | None = None) -> Section:
        """What the entries say, added to what is there already."""
        section = begun or Section()
        for key, value in entries.items():
            resolve = self._keys.get(key)
            if resolve and value is not BAD:
                resolve(section, value, (*at, key))
        return section

    def _simple(
        self, name: str, parse: Callable[..., Any], *more: object
    ) -> Callable[[Section, Any, At], None]:
        def resolve(section: Section, value: Any, at: At) -> None:  # noqa: ANN401
            found = self._report.attempt(at, parse, value, *more)
            if found is not None:
                section.fields[name] = found

        return resolve

    def _inner(self, name: str, key: str) -> Callable[[Section, Any, At], None]:
        def resolve(section: Section, value: Any, _at: At) -> None:  # noqa: ANN401
            if value.get(key, BAD) is not BAD:
                section.fields[name] = value[key]

        return resolve

    def _gathered(
        self, name: str, gather: Callable[..., Any], *more: object
    ) -> Callable[[Section, Any, At], None]:
        def resolve(section: Section, value: Any, at: At) -> None:  # noqa: ANN401
            section.fields[name] = gather(value, at, self._report, *more)

        return resolve

    def _env(self, section: Section, value: Any, at: At) -> None:  # noqa: ANN401
        section.env = pairs(value, at, self._report, values.env_key)

    def _labels(self, section: Section, value: Any, at: At) -> None:  # noqa: ANN401
        section.labels = pairs(value, at, self._report, values.label_key)

    def _files(self, section: Section, value: Any, at: At) -> None:  # noqa: ANN401
        section.files = storage.files(value, at, self._report, self._base_dir)

    def _ports(self, section: Section, value: Any, at: At) -> None:  # noqa: ANN401
        section.ports = network.port_entries(value, at, self._report)

    def _depends_on(self, section: Section, value: Any, at: At) -> None:  # noqa: ANN401
        section.depends_on = dependencies.dependencies(value, at, self._report)

    def _volumes(self, section: Section, value: Any, at: At) -> None:  # noqa: ANN401
        section.volumes = volumes.attachments(value, at, self._report)

    def _watch(self, section: Section, value: Any, at: At) -> None:  # noqa: ANN401
        section.watch = watching.rules(value, at, self._report, self._base_dir)


def merged(layers: Iterable[Mapping[str, Any]], own: Section, defaults: Section) -> dict[str, Any]:
    """Fields of `DesiredVm` that a VM has out of its own section and those below it, lowest first; without files."""
    fields: dict[str, Any] = {"image": ""}
    for layer in (*layers, defaults.fields, own.fields):
        fields.update(layer)
    fields["labels"] = tuple(sorted({**defaults.labels, **own.labels}.items()))
    fields["env"] = tuple(sorted({**defaults.env, **own.env}.items()))
    return fields


def placed(fields: Mapping[str, Any], own: Section, defaults: Section, report: Report) -> dict[str, Any]:
    """A VM's files and rules of `watch`, once it is sure that they, volumes and mounts are not in each other's way."""
    mounts = fields.get("mounts", ())
    volumes.check_targets(own.volumes, mounts, report)
    places = frozenset([*(mount.place for mount in mounts), *(one.target for one, _ in own.volumes)])
    files = own.files if own.files is not None else defaults.files or []
    rules = own.watch if own.watch is not None else defaults.watch or []
    return {
        "files": storage.check_files(files, places, report),
        "watch": watching.check_targets(rules, mounts, [one for one, _ in own.volumes], report),
    }
