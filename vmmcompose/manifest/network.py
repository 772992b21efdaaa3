"""Addresses and forwards."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from vmmcompose.manifest.report import BAD, BadValueError, Report, is_bad, quoted, shown, subject
from vmmcompose.manifest.source import At
from vmmcompose.model.desired import Forward, Protocol
from vmmcompose.model.settings import Settings

_PORTS = r"[0-9]+(?:-[0-9]+)?"
FORWARD = re.compile(
    rf"(?:(?P<bind>[^:/]+):)?(?P<host>{_PORTS}):(?P<guest>{_PORTS})(?:/(?P<protocol>[A-Za-z]+))?"
)
"""The short form of a forward, or of several."""
_RANGE = re.compile(_PORTS)
_FORM = '"HOST:GUEST"'


@dataclass(frozen=True, slots=True)
class Forwards:
    """What one entry of `ports` says: ports of the host and of the guest, one or a range of each."""

    host: range
    guest: range
    protocol: Protocol = "tcp"
    bind: str = ""


Found = list[tuple[Forwards, At]]
"""Entries, each with where it stands."""


def pinned_ip(text: str, settings: Settings) -> str:
    """A VM's fixed address.

    Raises:
        BadValueError: no IPv4 address, outside the subnet, or one that a VM cannot have.
    """
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        raise BadValueError("ip", f"must be an IPv4 address, not {shown(text)}") from None
    subnet = ipaddress.IPv4Network(settings.subnet, strict=False)
    if address not in subnet:
        hint = f"choose one from {subnet[2]} to {subnet[-2]}" if subnet.num_addresses > 4 else ""
        raise BadValueError("ip", f"must be in the VM subnet {subnet}, not {quoted(text)}", hint)
    taken = {
        subnet.network_address: "the subnet's own address",
        subnet.broadcast_address: "the subnet's broadcast address",
        ipaddress.IPv4Address(settings.gateway): "the host's own address (the gateway)",
    }
    if address in taken:
        raise BadValueError("ip", f"must not be {quoted(text)}, {taken[address]}")
    return str(address)


def name_server(text: str) -> str:
    """The address of a name server.

    Raises:
        BadValueError: no IP address.
    """
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise BadValueError("ip", f"must be an IP address, not {shown(text)}") from None


def name_servers(values: list[Any], at: At, report: Report) -> tuple[str, ...]:
    """Name servers in the order they are asked, each once."""
    found = [
        report.attempt((*at, i), name_server, value) for i, value in enumerate(values) if value is not BAD
    ]
    return tuple(dict.fromkeys(server for server in found if server))


def forward(value: Any) -> Forward:  # noqa: ANN401 - both forms
    """One forward of one port, from either form.

    Raises:
        BadValueError: it is none.
    """
    found = port_entry(value)
    if len(found.host) > 1 or len(found.guest) > 1:
        raise BadValueError("port", f"must be for a single port, not {shown(value)}")
    return Forward(found.host[0], found.guest[0], found.protocol, found.bind)


def port_entry(value: Any) -> Forwards:  # noqa: ANN401 - both forms
    """What an entry says, from either form.

    Raises:
        BadValueError: it is no forward.
    """
    if isinstance(value, dict):
        bind = _bind(value["bind"]) if value.get("bind") else ""
        host, guest = (_either(value[side], side) for side in ("host", "guest"))
        return Forwards(host, guest, value.get("protocol", "tcp"), bind)
    found = FORWARD.fullmatch(value)
    if not found:
        raise BadValueError("port", f"must be {_FORM}, not {shown(value)}", _forward_hint(value))
    protocol = (found["protocol"] or "tcp").lower()
    if protocol not in ("tcp", "udp"):
        raise BadValueError("port", f"must be for tcp or udp, not {quoted(protocol)}")
    host, guest = (_range(found[side]) for side in ("host", "guest"))
    return Forwards(
        host, guest, "tcp" if protocol == "tcp" else "udp", _bind(found["bind"]) if found["bind"] else ""
    )


def port_entries(values: list[Any], at: At, report: Report) -> Found:
    """All entries of a list, each with where it stands."""
    result = []
    for index, value in enumerate(values):
        if is_bad(value):
            continue
        found = report.attempt((*at, index), port_entry, value)
        if found:
            result.append((found, (*at, index)))
    return result


def check_ranges(found: Found, replicas: int | None, report: Report) -> None:
    """Reports ranges that do not give each port, or each of the replicas, one port; None means no `replicas`."""
    for ports, at in found:
        host, guest = len(ports.host), len(ports.guest)
        if replicas is None and host != guest:
            hint = "give both as many; a VM with `replicas` takes one port of the host for each of them"
            message = f"{subject(at)} leads {_counted(host)} of the host to {_counted(guest)} of the guest"
            report.add("port-range", at, message, hint)
        elif replicas is not None and guest > 1:
            hint = "write one entry for each port of the guest, with a range of the host's"
            report.add(
                "port-range",
                at,
                f"{subject(at)} has a range of the guest's ports, but each replica takes one",
                hint,
            )
        elif replicas is not None and 1 < host < replicas:
            first = ports.host[0]
            hint = f"for example `{first}-{first + replicas - 1}:{ports.guest[0]}`"
            report.add("port-range", at, f"{subject(at)} has {host} ports for {replicas} replicas", hint)


def forwards(found: Found, replica: int, report: Report) -> Iterable[tuple[Forward, At]]:
    """The forwards of one VM; replica number N (0 without `replicas`) has the Nth port of each range."""
    for ports, at in found:
        hosts, guests = ports.host, ports.guest
        if replica and len(hosts) > 1:
            hosts = hosts[replica - 1 : replica]
        for host, guest in zip(hosts, guests, strict=False):
            one = Forward(host, guest, ports.protocol, ports.bind)
            report.sources.name_entry(at, one.entry)
            yield one, at


def _forward_hint(text: str) -> str:
    if text.count(":") > 2 or "[" in text:
        return "IPv6 is not forwarded; leave the address out, or give an IPv4 one"
    if re.fullmatch(r"[0-9]+(/[a-z]+)?", text):
        port, slash, protocol = text.partition("/")
        return f"did you mean `{port}:{port}{slash}{protocol}`?"
    return "for example `8080:80`, `127.0.0.1:2222:22`, `5353:53/udp` or `8080-8082:80-82`"


def _either(value: int | str, side: str) -> range:
    if isinstance(value, int):
        port = _port(str(value), side)
        return range(port, port + 1)
    if not _RANGE.fullmatch(value) or "-" not in value:
        hint = "take away the quotes" if value.isascii() and value.isdigit() else ""
        message = f"must have a port from 1 to 65535 or a range such as `8080-8082`, not {shown(value)}"
        raise BadValueError("port", message, hint, inside=side)
    return _range(value, side)


def _range(text: str, inside: str = "") -> range:
    first, _, last = text.partition("-")
    start, end = _port(first, inside), _port(last or first, inside)
    if end < start:
        hint = f"did you mean `{last}-{first}`?"
        raise BadValueError(
            "port", f"has the range {quoted(text)}, which ends before it begins", hint, inside=inside
        )
    return range(start, end + 1)


def _port(text: str, inside: str) -> int:
    if len(text) > 9 or not 1 <= int(text) <= 65535:
        raise BadValueError("port", f"must have ports from 1 to 65535, not {quoted(text)}", inside=inside)
    return int(text)


def _counted(ports: int) -> str:
    return f"{ports} ports" if ports > 1 else "one port"


def _bind(text: str) -> str:
    hint = "did you mean `127.0.0.1`?" if text == "localhost" else ""
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        message = f"must bind to an IPv4 address, not {shown(text)}"
        raise BadValueError("ip", message, hint, inside="bind") from None
    if address.is_multicast or address == ipaddress.IPv4Address("255.255.255.255"):
        raise BadValueError("ip", f"must bind to an address of the host, not {quoted(text)}", inside="bind")
    return "" if address.is_unspecified else str(address)
