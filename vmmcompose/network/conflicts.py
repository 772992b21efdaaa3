"""What stands in the way of a VM's network, as problems: found while planning, before anything is touched."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network

from vmmcompose.model.desired import Forward
from vmmcompose.model.observed import HostFacts, Link, Observed
from vmmcompose.model.problem import Problem
from vmmcompose.model.record import Record, UnreadableRecord
from vmmcompose.model.settings import Settings
from vmmcompose.model.spec import VmSpec
from vmmcompose.network.addresses import ANY_ADDRESS, is_host_address, network_of
from vmmcompose.network.compare import bridge_owner, is_our_tap
from vmmcompose.network.rules import ACTIVE, bind_address

BRIDGE_PORTS = 1023
"""Ports of one Linux bridge (BR_MAX_PORTS is 1 << 10, and port number 0 is not used)."""


def network_problems(wanted: Sequence[VmSpec], observed: Observed, settings: Settings) -> tuple[Problem, ...]:
    """All of this module's problems for the VMs that shall exist; without such VMs there are none."""
    if not wanted:
        return ()
    if wrong := settings_problems(settings):
        return wrong
    links = observed.links or {}
    return (
        *bridge_problems(wanted, links, observed.host, settings),
        *address_problems(wanted, observed.records, observed.unreadable, settings),
        *port_problems(wanted, observed.records, observed.host),
    )


def settings_problems(settings: Settings) -> tuple[Problem, ...]:
    """A subnet and gateway that cannot make a network."""
    try:
        network, gateway = network_of(settings.subnet), IPv4Address(settings.gateway)
    except ValueError as error:
        return (Problem("network-settings", f"subnet or gateway is not an IPv4 network: {error}"),)
    if network.prefixlen > 30:
        message = f"subnet {network} has no room for a gateway and a VM"
        return (Problem("network-settings", message, hint="use a prefix length of 30 or less"),)
    if gateway not in network or gateway in (network.network_address, network.broadcast_address):
        message = f"gateway {gateway} is not a host address of subnet {network}"
        return (Problem("network-settings", message, hint=f"the first one is {network.network_address + 1}"),)
    return ()


def exhausted(short: str, settings: Settings) -> Problem:
    """There is no free address for this VM."""
    return Problem(
        "subnet-exhausted",
        f"no free address in {settings.subnet} for {short}",
        at=("vms", short),
        hint="delete VMs that are not needed, or set a larger `subnet`",
    )


def bridge_problems(
    wanted: Sequence[VmSpec], links: Mapping[str, Link], host: HostFacts, settings: Settings
) -> tuple[Problem, ...]:
    """A bridge or TAP name that a stranger has, a subnet in use elsewhere, a bridge that is full."""
    problems = list(_name_problems(wanted, links, settings))
    name = settings.bridge_name
    standing = name in links
    for network, interface in sorted(_elsewhere(links, host, settings)):
        message = f"subnet {settings.subnet} overlaps {network}, which is in use by {interface}"
        hint = "set another `subnet` and `gateway` in ~/.config/vmm/config.json"
        problems.append(
            Problem("subnet-in-use", message, hint=hint, severity="warning" if standing else "error")
        )
    ports = {link.name for link in links.values() if link.master == name} | {spec.tap for spec in wanted}
    if len(ports) > BRIDGE_PORTS:
        message = f"{len(ports)} VMs are too many for bridge {name}: it takes {BRIDGE_PORTS}"
        problems.append(Problem("bridge-full", message, hint="use a second data folder with its own bridge"))
    return tuple(problems)


def _name_problems(
    wanted: Sequence[VmSpec], links: Mapping[str, Link], settings: Settings
) -> Iterator[Problem]:
    bridge = links.get(settings.bridge_name)
    if bridge_owner(bridge, settings) == "stranger" and bridge is not None:
        owner = (
            f"it belongs to {bridge.alias}"
            if bridge.alias
            else f"it is a {bridge.kind or 'link'} of somebody else"
        )
        message = f"link {bridge.name} exists already and is not this vmm's bridge: {owner}"
        yield Problem(
            "bridge-taken",
            message,
            hint="set another `bridge_name` in ~/.config/vmm/config.json, or delete that link",
        )
    for spec in wanted:
        tap = links.get(spec.tap)
        if tap is not None and not is_our_tap(tap):
            message = f"link {tap.name} exists already and is not a TAP of vmm's"
            yield Problem(
                "tap-taken", message, at=("vms", spec.vm), hint=f"delete it: ip link delete {tap.name}"
            )


def _elsewhere(links: Mapping[str, Link], host: HostFacts, settings: Settings) -> set[tuple[str, str]]:
    """Networks of other interfaces that lie in ours or hold it. A wider route loses to ours and is fine."""
    ours = network_of(settings.subnet)
    addresses = {
        (str(network_of(address)), link.name) for link in links.values() for address in link.addresses
    }
    routes = {
        (network, interface) for network, interface in host.networks if IPv4Network(network).subnet_of(ours)
    }
    return {
        (network, interface)
        for network, interface in addresses | routes
        if interface != settings.bridge_name and ours.overlaps(IPv4Network(network))
    }


def address_problems(
    wanted: Sequence[VmSpec],
    records: Sequence[Record],
    unreadable: Sequence[UnreadableRecord],
    settings: Settings,
) -> tuple[Problem, ...]:
    """Addresses outside the subnet, of another VM, or blocked by a record that nobody can read."""
    ids = {spec.id for spec in wanted}
    owners = {bad.ip: f"the unreadable record {bad.path}" for bad in unreadable if bad.ip}
    owners |= {record.spec.ip: f"VM {record.spec.name}" for record in records if record.spec.id not in ids}
    problems = []
    for spec in wanted:
        at = ("vms", spec.vm, "ip")
        if not is_host_address(spec.ip, settings):
            message = f"{spec.ip} is no address for a VM in {settings.subnet}"
            hint = f"take one inside it, but not {settings.gateway}, the first or the last"
            problems.append(Problem("ip-outside-subnet", message, at, hint))
        elif spec.ip in owners:
            hint = "take another address, or leave `ip` out to get a free one"
            problems.append(Problem("ip-taken", f"{spec.ip} is taken by {owners[spec.ip]}", at, hint))
        owners.setdefault(spec.ip, f"VM {spec.name}")
    return tuple(problems)


def port_problems(
    wanted: Sequence[VmSpec], records: Sequence[Record], host: HostFacts
) -> tuple[Problem, ...]:
    """Host ports that are taken: by another VM's forward or by a listening process.

    Forwards of the same port with different bind addresses live together; the specific one goes first.
    A VM that does not run claims its ports, but only with a warning. A listener behind a forward that is in
    force already is a warning as well: it came later, and refusing would not help anybody.
    """
    ids = {spec.id for spec in wanted}
    claims = {
        _key(forward): (record.spec.name, record.state in (*ACTIVE, "creating"))
        for record in sorted(records, key=lambda record: record.state in (*ACTIVE, "creating"))
        if record.spec.id not in ids and record.state != "deleting"
        for forward in record.spec.forwards
    }
    in_force = {
        (record.spec.id, forward)
        for record in records
        if record.state in ACTIVE
        for forward in record.spec.forwards
    }
    listening: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    for protocol, address, port in sorted(host.listeners):
        listening[protocol, port].append(address)
    problems: list[Problem] = []
    for spec in wanted:
        at = ("vms", spec.vm, "ports")
        for forward in spec.forwards:
            if problem := _claimed(forward, at, claims):
                problems.append(problem)
            elif listener := _listener(forward, listening):
                problems.append(_shadowed(forward, at, listener, standing=(spec.id, forward) in in_force))
            claims.setdefault(_key(forward), (spec.name, True))
    return tuple(problems)


Key = tuple[str, str, int]


def _key(forward: Forward) -> Key:
    return forward.protocol, bind_address(forward), forward.host


def _claimed(
    forward: Forward, at: tuple[str, str, str], claims: Mapping[Key, tuple[str, bool]]
) -> Problem | None:
    claim = claims.get(_key(forward))
    if claim is None:
        return None
    owner, active = claim
    message = f"host port {_words(forward)} is already forwarded to VM {owner}"
    if not active:
        message += ", which does not run"
    hint = f"take another host port, or stop {owner}"
    return Problem("port-taken", message, at, hint, severity="error" if active else "warning")


def _listener(forward: Forward, listening: Mapping[tuple[str, int], Sequence[str]]) -> str:
    """The address of a listening socket that this forward would hide; empty when there is none."""
    bind = bind_address(forward)
    for address in listening.get((forward.protocol, forward.host), ()):
        if ":" not in address and (not bind or address in (bind, ANY_ADDRESS)):
            return address
    return ""


def _shadowed(forward: Forward, at: tuple[str, str, str], listener: str, *, standing: bool) -> Problem:
    message = f"host port {_words(forward)} is in use: a process listens on {listener}:{forward.host}"
    hint = f"take another host port, or end that process (ss -lnp sport = {forward.host} shows it)"
    return Problem("port-taken", message, at, hint, severity="warning" if standing else "error")


def _words(forward: Forward) -> str:
    bind = bind_address(forward)
    return f"{bind + ':' if bind else ''}{forward.host}/{forward.protocol}"
