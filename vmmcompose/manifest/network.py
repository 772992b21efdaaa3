"""Addresses and forwards."""

import ipaddress
import re
from typing import Any

from vmmcompose.manifest.report import BAD, BadValueError, Report, quoted, shown
from vmmcompose.manifest.source import At
from vmmcompose.model.desired import Forward
from vmmcompose.model.settings import Settings

_FORWARD = re.compile(
    r"(?:(?P<bind>[^:/]+):)?(?P<host>[0-9]+):(?P<guest>[0-9]+)(?:/(?P<protocol>[A-Za-z]+))?"
)
_FORM = '"HOST:GUEST"'


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
    """One forward, from either form.

    Raises:
        BadValueError: it is none.
    """
    if isinstance(value, dict):
        bind = _bind(value["bind"]) if value.get("bind") else ""
        return Forward(value["host"], value["guest"], value.get("protocol", "tcp"), bind)
    found = _FORWARD.fullmatch(value)
    if not found:
        raise BadValueError("port", f"must be {_FORM}, not {shown(value)}", _forward_hint(value))
    protocol = (found["protocol"] or "tcp").lower()
    if protocol not in ("tcp", "udp"):
        raise BadValueError("port", f"must be for tcp or udp, not {quoted(protocol)}")
    host, guest = (_port(found[side]) for side in ("host", "guest"))
    return Forward(
        host, guest, "tcp" if protocol == "tcp" else "udp", _bind(found["bind"]) if found["bind"] else ""
    )


def forwards(values: list[Any], at: At, report: Report) -> list[tuple[Forward, At]]:
    """All forwards of a list, each with where it stands."""
    result = []
    for index, value in enumerate(values):
        if value is BAD or (isinstance(value, dict) and BAD in value.values()):
            continue
        found = report.attempt((*at, index), forward, value)
        if found:
            name = f"{found.bind or '*'}:{found.host}/{found.protocol}"
            report.sources.name_entry((*at, index), name)
            result.append((found, (*at, index)))
    return result


def _forward_hint(text: str) -> str:
    if text.count(":") > 2 or "[" in text:
        return "IPv6 is not forwarded; leave the address out, or give an IPv4 one"
    if re.fullmatch(r"[0-9]+(/[a-z]+)?", text):
        port, slash, protocol = text.partition("/")
        return f"did you mean `{port}:{port}{slash}{protocol}`?"
    if "-" in text:
        return "write one entry for each port: ranges are not known"
    return "for example `8080:80`, `127.0.0.1:2222:22` or `5353:53/udp`"


def _port(text: str) -> int:
    if len(text) > 9 or not 1 <= int(text) <= 65535:
        raise BadValueError("port", f"must have ports from 1 to 65535, not {quoted(text)}")
    return int(text)


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
