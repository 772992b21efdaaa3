"""Small projects for the planner's tests, and the ways a host can be damaged between two plans."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from known_drivers import CAPABILITIES
from simulated_host import SimulatedHost

from vmmcompose.model.desired import Dependency, Desired, DesiredVm, Forward, Mount
from vmmcompose.model.observed import RuleSet, Source
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Plan
from vmmcompose.plan import make_plan


def shop() -> Desired:
    """Two VMs: `web` has a mount and a forward and depends on a healthy `db`."""
    web = DesiredVm(
        "web",
        "tiny",
        mounts=(Mount("site", "/srv/site", "ro"),),
        ports=(Forward(8080, 80),),
        depends_on=(Dependency("db", "healthy"),),
    )
    return Desired("shop", (DesiredVm("db", "tiny"), web))


def edit(desired: Desired, vm: str, **changes: object) -> Desired:
    """The project with one VM changed."""
    vms = tuple(replace(one, **changes) if one.name == vm else one for one in desired.vms)  # type: ignore[arg-type]
    return replace(desired, vms=vms)


def plan_for(host: SimulatedHost, desired: Desired, options: Options | None = None) -> Plan:
    """What the planner makes of a simulated host."""
    return make_plan(desired, host.observe(desired), host.settings, CAPABILITIES, options or Options())


def converged(desired: Desired, options: Options | None = None) -> SimulatedHost:
    """A host on which the project is up."""
    host = SimulatedHost()
    host.run(plan_for(host, desired, options))
    return host


def _kill(host: SimulatedHost) -> None:
    host.processes.popitem()


def _delete_tap(host: SimulatedHost) -> None:
    taps = sorted(
        name for name, link in host.links.items() if link.alias.startswith("vmm:") and link.kind == "tun"
    )
    if taps:
        del host.links[taps[0]]


def _delete_bridge(host: SimulatedHost) -> None:
    host.links.pop(host.settings.bridge_name, None)
    ours = [name for name, link in host.links.items() if link.alias.startswith("vmm:")]
    host.links |= {name: replace(host.links[name], master="") for name in ours}


def _flush(host: SimulatedHost) -> None:
    host.rules = RuleSet(chains=host.rules.chains)


def _forget(host: SimulatedHost) -> None:
    """Of a VM without volumes: while its process lives, whoever needs one of those is refused when it starts."""
    plain = [name for name, record in host.records.items() if not record.spec.volumes]
    if plain:
        del host.records[min(plain)]


def _reboot(host: SimulatedHost) -> None:
    host.processes.clear()
    for name in [name for name, link in host.links.items() if link.alias.startswith("vmm:")]:
        del host.links[name]
    host.rules = RuleSet()
    host.facts = replace(host.facts, boot_id="boot-2", ip_forward=False, route_localnet=False)


def _half_a_copy(host: SimulatedHost) -> None:
    host.leftovers.add("/var/lib/vmm/vms/shop-db/root.ext4.tmp.4711")


def _lose_disk(host: SimulatedHost) -> None:
    host.disks.pop(min(host.disks), None)


def _lose_mount(host: SimulatedHost) -> None:
    host.mounts.clear()


def _edit_folders(host: SimulatedHost) -> None:
    """Somebody saved a file in each mounted folder."""
    for image in host.mounts.values():
        host.sources[image.source] = Source("directory", f"edited after {image.digest}")


def _lose_volume(host: SimulatedHost) -> None:
    if host.volumes:
        del host.volumes[min(host.volumes)]


def _pause(host: SimulatedHost) -> None:
    """`vmm pause`, or one that was killed before it came to the guest."""
    name, record = min(host.records.items())
    if record.state == "running":
        host.records[name] = replace(record, state="paused")


def _add_port(host: SimulatedHost) -> None:
    """`vmm port-forward add`, killed before the rules followed."""
    name, record = min(host.records.items())
    taken = {port.host for other in host.records.values() for port in other.spec.added_ports}
    free = next(port for port in range(7000, 8000) if port not in taken)  # what is taken is refused
    host.records[name] = replace(record, spec=replace(record.spec, added_ports=(Forward(free, 7),)))


def _forwarding_off(host: SimulatedHost) -> None:
    host.facts = replace(host.facts, ip_forward=False)


DAMAGES: Mapping[str, Callable[[SimulatedHost], None]] = {
    "process killed": _kill,
    "tap deleted": _delete_tap,
    "bridge deleted": _delete_bridge,
    "rules flushed": _flush,
    "record deleted": _forget,
    "rebooted": _reboot,
    "half a copy left": _half_a_copy,
    "disk deleted": _lose_disk,
    "mounts deleted": _lose_mount,
    "folders edited": _edit_folders,
    "volume deleted": _lose_volume,
    "forwarding off": _forwarding_off,
    "paused": _pause,
    "port added by hand": _add_port,
}


def _forget_web(host: SimulatedHost) -> None:
    """The record of `web` is gone; its process lives."""
    del host.records["shop-web"]


def _forget_web_and_kill(host: SimulatedHost) -> None:
    host.processes.pop(host.records.pop("shop-web").spec.id)


def _kill_web(host: SimulatedHost) -> None:
    host.processes.pop(host.records["shop-web"].spec.id)


def _lose_sidecar(host: SimulatedHost) -> None:
    host.disks["shop-db"] = replace(host.disks["shop-db"], info=None)


ACCIDENTS: Mapping[str, Callable[[SimulatedHost], None]] = {
    "process of web killed": _kill_web,
    "sidecar deleted": _lose_sidecar,
    "record of web deleted": _forget_web,
    "record of web deleted and its process killed": _forget_web_and_kill,
}
"""What can only happen to the host of `shop`."""
