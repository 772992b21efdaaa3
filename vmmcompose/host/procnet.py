"""What /proc/net and resolv.conf tell about the host: listening sockets, uplink, routes, name servers."""

import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from pathlib import Path

from vmmcompose.host.sysctl import forwarding, route_localnet
from vmmcompose.network.addresses import ANY_ADDRESS

__all__ = ["forwarding", "listeners", "nameservers", "route_localnet", "subnets_in_use", "uplink"]

_LISTENING = {"tcp": "0A", "udp": "07"}
"""TCP_LISTEN, and TCP_CLOSE for a UDP socket that is bound but not connected (include/net/tcp_states.h)."""
_PUBLIC = ("1.1.1.1", "8.8.8.8")
_RESOLV = ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf")
_ROUTE_UP = 0x1


def listeners() -> frozenset[tuple[str, str, int]]:
    """(protocol, address, port) of listening sockets; `0.0.0.0` for every address, of IPv6 too."""
    return frozenset(
        (protocol, *_endpoint(fields[1]))
        for protocol, state in _LISTENING.items()
        for family in ("", "6")
        for fields in _rows(f"/proc/net/{protocol}{family}")
        if len(fields) > 3 and fields[3] == state
    )


def _endpoint(text: str) -> tuple[str, int]:
    """`0100007F:1F90` as address and port: 32-bit words in host byte order (proc_pid_net(5))."""
    digits, port = text.split(":")
    words = (digits[start : start + 8] for start in range(0, len(digits), 8))
    packed = b"".join(int(word, 16).to_bytes(4, sys.byteorder) for word in words)
    if len(packed) == 4:
        return str(IPv4Address(packed)), int(port, 16)
    address = IPv6Address(packed)
    if address == IPv6Address(0):
        return ANY_ADDRESS, int(port, 16)
    return str(address.ipv4_mapped or address), int(port, 16)


def uplink() -> str:
    """The interface of the default route with the lowest metric, `""` where there is none."""
    defaults = [(metric, name) for network, name, metric in _routes() if network.prefixlen == 0]
    return min(defaults)[1] if defaults else ""


def subnets_in_use() -> tuple[tuple[str, str], ...]:
    """(network, interface) of every route but the default one, sorted."""
    return tuple(sorted({(str(network), name) for network, name, _ in _routes() if network.prefixlen > 0}))


def _routes() -> Iterator[tuple[IPv4Network, str, int]]:
    """(network, interface, metric); columns Iface Destination Gateway Flags RefCnt Use Metric Mask."""
    for fields in _rows("/proc/net/route"):
        if len(fields) > 7 and int(fields[3], 16) & _ROUTE_UP:
            destination, mask = (_endpoint(f"{fields[column]}:0")[0] for column in (1, 7))
            yield IPv4Network(f"{destination}/{mask}"), fields[0], int(fields[6])


def _rows(path: str) -> list[list[str]]:
    try:
        lines = Path(path).read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:  # a kernel without IPv6, say
        return []
    return [line.split() for line in lines[1:]]


def nameservers(files: tuple[str, ...] = _RESOLV) -> tuple[str, ...]:
    """The host's name servers as a guest can reach them.

    Loopback ones are the host's own stub and mean nothing in a guest: then systemd-resolved's list of the
    real ones counts, and public ones where nothing else is known.
    """
    for path in files:
        servers = tuple(dict.fromkeys(filter(_reachable, _servers(path))))
        if servers:
            return servers
    return _PUBLIC


def _servers(path: str) -> list[str]:
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [fields[1] for line in lines if len(fields := line.split()) > 1 and fields[0] == "nameserver"]


def _reachable(server: str) -> bool:
    """IPv4 only: the guests have no IPv6."""
    try:
        address = ip_address(server)
    except ValueError:
        return False
    return address.version == 4 and not address.is_loopback
