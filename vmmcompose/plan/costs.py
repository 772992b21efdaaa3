"""What differs between two specs of one VM, field by field, and what each difference costs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from vmmcompose.model.desired import KEYS, Forward, Mount
from vmmcompose.model.observed import Observed
from vmmcompose.model.peers import Peers, peers_of
from vmmcompose.model.plan import Reason
from vmmcompose.model.spec import VmSpec

Cost = Literal["live", "restart", "replace"]

COSTS: Mapping[str, Cost] = {
    "ports": "live",
    "added_ports": "live",
    "labels": "live",
    "healthcheck": "live",
    "depends_on": "live",
    "provision": "live",
    "restart": "live",
    "stop_grace_s": "live",
    "prevent_delete": "live",
    "replica_of": "live",
    "replica": "live",
    "max_unavailable": "live",
    "peers": "live",
    "cpus": "restart",
    "memory_mib": "restart",
    "disk_mib": "restart",
    "kernel": "restart",
    "boot_args": "restart",
    "driver": "restart",
    "hostname": "restart",
    "ip": "restart",
    "mac": "restart",
    "tap": "restart",
    "prefix_len": "restart",
    "gateway": "restart",
    "ssh_keys": "restart",
    "dns": "restart",
    "mounts": "restart",
    "volumes": "restart",
    "env": "restart",
    "files": "restart",
    "image": "replace",
}
"""Every field that is compared, with its dearest cost.

`resolvers` is not: a laptop's name servers change with its network.
"""

SECRET_FIELDS = ("env", "files", "provision")
NAMES = {**KEYS, "driver": "hypervisor", "added_ports": "ports"}
"""Fields whose name in the manifest is another."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs, what that costs, and how to say it."""

    field: str
    cost: Cost
    reasons: tuple[Reason, ...]


def diff_specs(old: VmSpec, new: VmSpec, *, sealed: bool = False) -> tuple[Difference, ...]:
    """What changes from `old` to `new`; `sealed` leaves out the secret fields, which were not seen."""
    found = []
    for name in COSTS:
        if sealed and name in SECRET_FIELDS:
            continue
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            found.append(Difference(name, _cost(name, before, after), _reasons(name, before, after)))
    return tuple(found)


def worst(differences: Iterable[Difference]) -> Cost | None:
    """The dearest of the costs; None without differences."""
    costs = {difference.cost for difference in differences}
    for cost in ("replace", "restart", "live"):
        if cost in costs:
            return cost
    return None


def show_forward(forward: Forward) -> str:
    """`127.0.0.1:8080->80/udp`, with the parts that are not the default."""
    bind = f"{forward.bind}:" if forward.bind else ""
    protocol = "" if forward.protocol == "tcp" else f"/{forward.protocol}"
    return f"{bind}{forward.host}->{forward.guest}{protocol}"


def show_mount(mount: Mount) -> str:
    """`/srv/site (rw, sync push)`, with the parts that are not the default."""
    parts = [
        f"at {mount.target}" if mount.target else "",
        mount.mode,
        f"sync {mount.sync}" if mount.sync != "none" else "",
        f"owner {mount.owner}" if mount.owner else "",
        f"without {', '.join(mount.ignore)}" if mount.ignore else "",
    ]
    return f"{mount.source} ({', '.join(filter(None, parts))})"


def _cost(name: str, old: Any, new: Any) -> Cost:  # noqa: ANN401 - any field's value
    if name == "mounts" and [_attached(mount) for mount in old] == [_attached(mount) for mount in new]:
        return "live"
    return COSTS[name]


def _attached(mount: Mount) -> tuple[str, ...]:
    """What a running guest has of a mount: of a writable one its content, of a read-only one only a drive."""
    return (mount.tag, mount.place, mount.mode, mount.source if mount.mode == "rw" else "")


def _reasons(name: str, old: Any, new: Any) -> tuple[Reason, ...]:  # noqa: ANN401 - any field's value
    label = NAMES.get(name, name)
    if name in _UNITS:
        return (Reason(label, *(f"{value:.10g}{_UNITS[name]}" for value in (old, new))),)
    if name in _KEYED:
        key, show = _KEYED[name]
        found = tuple(_keyed(label, {key(i): i for i in old}, {key(i): i for i in new}, show))
        return found or (Reason(label, why="order changed"),)
    if name == "peers":
        return _peers(old, new)
    if name in ("dns", "ssh_keys"):
        return tuple(_listed(label, old, new))
    if name == "healthcheck":
        before, after = _show_check(old), _show_check(new)
        return (Reason(label, why="changed") if before == after else Reason(label, before, after),)
    return (Reason(label, _show(old), _show(new)),)


def _keyed(
    label: str, old: Mapping[str, Any], new: Mapping[str, Any], show: Callable[[Any], str]
) -> Iterable[Reason]:
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            before = show(old[key]) if key in old else ""
            after = show(new[key]) if key in new else ""
            name = label if label == "ports" else f"{label}.{key}"
            yield Reason(name, why="changed") if before == after else Reason(name, before, after)


@lru_cache(maxsize=64)
def _peers(old: Peers, new: Peers) -> tuple[Reason, ...]:
    """Which names came, went or moved: once for all VMs of a project, which know the same ones."""
    if not old.entries:
        return (Reason("peers", why="the guest has an older list of the project's VMs"),)
    return tuple(_keyed("peers", dict(old.entries), dict(new.entries), str))


def with_names(observed: Observed, project: str, wanted: Peers) -> Observed:
    """The host with the names behind the digest in those records of the project that know others than `wanted`.

    They are those of the records themselves, as far as their digest is the same.
    """
    ours = [record.spec for record in observed.records if record.spec.project == project]
    if all(spec.peers == wanted for spec in ours):
        return observed
    known = peers_of((spec.vm, spec.ip) for spec in ours)
    named = (
        replace(record, spec=replace(record.spec, peers=known))
        if record.spec.project == project and record.spec.peers == known
        else record
        for record in observed.records
    )
    return replace(observed, records=tuple(named))


def _listed(label: str, old: tuple[str, ...], new: tuple[str, ...]) -> Iterable[Reason]:
    for item in sorted(set(old) | set(new)):
        if item not in new:
            yield Reason(label, _short(item), "")
        elif item not in old:
            yield Reason(label, "", _short(item))
    if set(old) == set(new):
        yield Reason(label, why="order changed")


def _short(text: str) -> str:
    return text if len(text) <= 48 else f"{text[:30]}…{text[-16:]}"


def _show(value: Any) -> str:  # noqa: ANN401 - any field's value
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if value != "" else "(none)"


def _show_check(value: Any) -> str:  # noqa: ANN401 - Healthcheck or None
    if value is None:
        return "(none)"
    what = (
        f"tcp {value.tcp}"
        if value.tcp
        else f"http {value.http}"
        if value.http
        else f"command {value.command[0]}"
    )
    return f"{what} every {value.interval_s:g}s for {value.timeout_s:g}s"


_UNITS = {"memory_mib": " MiB", "disk_mib": " MiB", "stop_grace_s": "s"}
_HIDDEN = "(hidden)"
_KEYED: Mapping[str, tuple[Callable[[Any], str], Callable[[Any], str]]] = {
    "ports": (lambda f: f.entry, show_forward),
    "added_ports": (lambda f: f.entry, lambda f: f"{show_forward(f)} (by hand)"),
    "mounts": (lambda m: m.tag, show_mount),
    "labels": (lambda pair: pair[0], lambda pair: pair[1]),
    "env": (lambda pair: pair[0], lambda _pair: _HIDDEN),
    "files": (lambda file: file.path, lambda file: f"mode {file.mode:04o} {file.uid}:{file.gid}"),
    "volumes": (lambda a: a.volume, lambda a: f"{a.target} ({a.mode})"),
    "provision": (lambda script: script.name, lambda _script: "a script"),
    "depends_on": (lambda d: d.vm, lambda d: d.condition if d.required else f"{d.condition}, not required"),
}
