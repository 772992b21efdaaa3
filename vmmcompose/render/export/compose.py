"""To `compose.yaml`, for users who go on with containers.

Keys as in the Compose Specification's schema (compose-spec/schema/compose-spec.json). `$` begins a variable in every
value there, so it is doubled.
"""

from typing import Any

from vmmcompose.model.desired import Condition, Desired, DesiredVm, Forward, GuestFile, Healthcheck
from vmmcompose.model.problem import Problem
from vmmcompose.render.export.services import Service, service_names, services
from vmmcompose.render.export.values import (
    Export,
    File,
    Installation,
    Loss,
    Target,
    losses,
    note,
    placeholder,
    seconds,
    slug,
    volume_note,
)
from vmmcompose.render.export.yamltext import document

_RESTART = {"no": "no", "on-failure": "on-failure", "always": "unless-stopped"}
"""A VM that was stopped by hand stays stopped, as with compose's `unless-stopped`."""

LOST = {
    "image": Loss(
        "a VM's root filesystem is no container image, so the file names a placeholder",
        "put the name of an image there that runs the same program",
    ),
    "kernel": Loss("containers run on the host's kernel"),
    "boot_args": Loss("containers run on the host's kernel"),
    "hypervisor": Loss("containers have none"),
    "disk_mib": Loss("a container's root filesystem has no size of its own"),
    "ssh_keys": Loss("containers are entered with `docker compose exec`"),
    "ip": Loss(
        "services reach each other by name", "`networks` with `ipam` and `ipv4_address` pins an address"
    ),
    "provision": Loss(
        "containers are not provisioned when they run", "put what the scripts do into the image's Dockerfile"
    ),
    "prevent_delete": Loss("compose has nothing like it"),
    "watch": Loss("its rules are for `vmm watch`", "a service with `build` may have `develop.watch`"),
}


def _write(desired: Desired, _installation: Installation) -> Export:
    everything = services((*desired.vms, *desired.inactive))
    names = service_names(everything)
    healthy = {service.name for service in everything if service.vm.healthcheck is not None}
    value: dict[str, Any] = {"name": desired.project, "services": {}}
    configs: dict[str, Any] = {}
    notes: list[Problem] = []
    for service in everything:
        notes += losses(service.vm, LOST)
        body = _service(service, notes)
        wanted = _depends_on(service.vm, names, healthy, notes)
        if wanted:
            body["depends_on"] = wanted
        entries = [_config(service, file, configs, notes) for file in service.vm.files]
        if any(entries):
            body["configs"] = [entry for entry in entries if entry]
        value["services"][service.name] = body
    volumes: dict[str, Any] = {volume.name: {} for volume in desired.volumes}
    why = Loss("volumes of the local driver are as big as the disk they lie on")
    notes += [volume_note(volume.name, "size", why) for volume in desired.volumes]
    value |= {key: part for key, part in (("volumes", volumes), ("configs", configs)) if part}
    return Export((File("compose.yaml", document(_doubled(value))),), tuple(dict.fromkeys(notes)))


def _service(service: Service, notes: list[Problem]) -> dict[str, Any]:
    vm = service.vm
    body: dict[str, Any] = {"image": placeholder(vm)}
    body["cpus"] = vm.cpus
    body["mem_limit"] = f"{vm.memory_mib}m"
    if service.count == 1:
        body["hostname"] = vm.hostname or vm.name
    elif vm.hostname:
        notes.append(note(vm, "hostname", Loss("containers of one service have names of their own")))
    if any(mount.ignore or mount.owner for mount in vm.mounts):
        notes.append(note(vm, "mounts", Loss("a bind mount shows the whole folder, with the owners it has")))
    optional = {
        "environment": dict(vm.env),
        "labels": dict(vm.labels),
        "dns": list(vm.dns),
        "ports": [_port(port, service.count) for port in vm.ports],
        "volumes": _mounts(vm),
        "profiles": list(vm.profiles),
    }
    body |= {key: value for key, value in optional.items() if value}
    if vm.healthcheck is not None:
        body["healthcheck"] = _healthcheck(vm, vm.healthcheck, notes)
    body["restart"] = _RESTART[vm.restart]
    body["stop_grace_period"] = seconds(vm.stop_grace_s)
    if service.count > 1:
        update = {"parallelism": min(vm.max_unavailable, service.count)}
        body["deploy"] = {"replicas": service.count, "update_config": update}
    return body


def _port(port: Forward, count: int) -> dict[str, Any]:
    published = str(port.host) if count == 1 else f"{port.host}-{port.host + count - 1}"
    entry: dict[str, Any] = {"target": port.guest, "published": published, "protocol": port.protocol}
    return {"host_ip": port.bind, **entry} if port.bind else entry


def _mounts(vm: DesiredVm) -> list[dict[str, Any]]:
    """Folders are seen live there; with vmm they are copies."""
    folders = [_mount("bind", m.source, m.place, m.mode) for m in vm.mounts]
    return folders + [_mount("volume", a.volume, a.target, a.mode) for a in vm.volumes]


def _mount(kind: str, source: str, target: str, mode: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": kind, "source": source, "target": target}
    return {**entry, "read_only": True} if mode == "ro" else entry


def _healthcheck(vm: DesiredVm, check: Healthcheck, notes: list[Problem]) -> dict[str, Any]:
    if check.command:
        test = ["CMD", *check.command]
    elif check.http is not None:
        port, _, path = check.http.partition("/")
        test = ["CMD", "wget", "-q", "-O", "/dev/null", f"http://127.0.0.1:{port}/{path}"]
        notes.append(
            note(vm, "healthcheck", Loss("it runs in the container", "the image needs `wget`"), "http")
        )
    else:
        test = ["CMD", "nc", "-z", "127.0.0.1", str(check.tcp)]
        notes.append(note(vm, "healthcheck", Loss("it runs in the container", "the image needs `nc`"), "tcp"))
    # As long as vmm waits at most, failures count for nothing there.
    return {"test": test, "interval": seconds(check.interval_s), "start_period": seconds(check.timeout_s)}


def _depends_on(
    vm: DesiredVm, names: dict[str, str], healthy: set[str], notes: list[Problem]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for wanted in vm.depends_on:
        other = names.get(wanted.vm)
        if other is None or other in found:
            continue
        entry: dict[str, Any] = {"condition": _condition(vm, other, wanted.condition, healthy, notes)}
        found[other] = entry if wanted.required else {**entry, "required": False}
    return found


def _condition(
    vm: DesiredVm, other: str, condition: Condition, healthy: set[str], notes: list[Problem]
) -> str:
    if condition == "healthy" and other in healthy:
        return "service_healthy"
    if condition == "healthy":
        why = Loss(f"{other} has no healthcheck that compose could wait for", "it waits until it is started")
        notes.append(note(vm, "depends_on", why, other))
    elif condition == "provisioned":
        why = Loss("compose knows no `provisioned`", "it waits until it is started")
        notes.append(note(vm, "depends_on", why, other))
    return "service_started"


def _config(
    service: Service, file: GuestFile, configs: dict[str, Any], notes: list[Problem]
) -> dict[str, Any] | None:
    if not file.content.isprintable() and any("\ud800" <= c <= "\udfff" or c == "\0" for c in file.content):
        why = Loss("its content is no text, which a config holds only in a file", "mount it with `volumes`")
        notes.append(note(service.vm, "files", why, file.path))
        return None
    name = f"{service.name}-{slug(file.path.replace('/', '-')) or 'file'}"
    while name in configs:
        name += "-"
    configs[name] = {"content": file.content}
    entry = {"source": name, "target": file.path, "mode": f"0{file.mode:03o}"}
    return {**entry, "uid": str(file.uid), "gid": str(file.gid)} if file.uid or file.gid else entry


def _doubled(value: Any) -> Any:  # noqa: ANN401 - whatever YAML can hold
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, list):
        return [_doubled(entry) for entry in value]
    if isinstance(value, dict):
        return {key: _doubled(entry) for key, entry in value.items()}
    return value


TARGET = Target(
    _write,
    frozenset(
        {
            "cpus",
            "memory_mib",
            "dns",
            "ports",
            "labels",
            "env",
            "volumes",
            "restart",
            "stop_grace_s",
            "profiles",
            "max_unavailable",
        }
    ),
    frozenset({"hostname", "mounts", "healthcheck", "depends_on", "files"}),
    LOST,
)
