"""Which address, MAC and id a VM gets: pure arithmetic on the settings and on what is taken."""

from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network

from vmmcompose.model.settings import Settings

ID_DIGITS = 12
ANY_ADDRESS = str(IPv4Address(0))
"""How sockets and forwards spell `every address of the host`."""


@lru_cache(maxsize=8)
def network_of(subnet: str) -> IPv4Network:
    """A subnet setting as a network; host bits in it are ignored.

    Raises:
        ValueError: it is no IPv4 network.
    """
    return IPv4Network(subnet, strict=False)


@lru_cache(maxsize=1 << 16)
def number_of(ip: str) -> int:
    """An address as a number; parsed once, since a plan asks for each VM's several times.

    Raises:
        ValueError: it is no IPv4 address.
    """
    return int(IPv4Address(ip))


@lru_cache(maxsize=8)
def _host_range(subnet: str, gateway: str) -> tuple[int, int, int]:
    """The first and the last address that a host of the subnet may have, and the gateway's."""
    network = network_of(subnet)
    return int(network.network_address) + 1, int(network.broadcast_address) - 1, number_of(gateway)


def prefix_len(settings: Settings) -> int:
    """The subnet's prefix length in bits."""
    return network_of(settings.subnet).prefixlen


def vm_id(data_dir: str, name: str) -> str:
    """A VM's id: 12 hex digits from the data folder and the VM's name on the host.

    The data folder is in it so that two folders on one host never share a TAP, a process or a rule.
    """
    return sha256(f"{data_dir}\0{name}".encode()).hexdigest()[:ID_DIGITS]


def mac_of(ip: str) -> str:
    """A guest's MAC: `06:00` (locally administered, unicast) and the four bytes of its address.

    Unique in the subnet because the address is. The same scheme as in Firecracker's docs/network-setup.md.
    """
    return "06:00:" + ":".join(f"{int(byte):02x}" for byte in ip.split("."))


def bridge_mac(settings: Settings) -> str:
    """The bridge's MAC. Fixed: else a bridge takes its lowest port's, and guests lose it with that port."""
    return mac_of(settings.gateway)


def bridge_address(settings: Settings) -> str:
    """The bridge's address with prefix length, `172.16.0.1/16`."""
    return f"{settings.gateway}/{prefix_len(settings)}"


class AddressPool:
    """Hands out the free host addresses of the subnet in order; constant work per address.

    Never the network's, the broadcast's or the gateway's. The order is `.2` and up, the first host
    address last (it is usually the gateway's), so that a small subnet is used to the full.
    """

    def __init__(self, settings: Settings, taken: Iterable[str]) -> None:
        network = network_of(settings.subnet)
        self._taken = {number_of(ip) for ip in taken} | {number_of(settings.gateway)}
        self._candidates = _host_numbers(network)

    def take(self) -> str | None:
        """The next free address, or None when the subnet is exhausted."""
        for number in self._candidates:
            if number not in self._taken:
                self._taken.add(number)
                return str(IPv4Address(number))
        return None

    def block(self, ip: str) -> None:
        """Never hand this address out: somebody pinned it."""
        self._taken.add(number_of(ip))


def _host_numbers(network: IPv4Network) -> Iterator[int]:
    first = int(network.network_address) + 1
    last = int(network.broadcast_address) - 1
    yield from range(first + 1, last + 1)
    if first <= last:
        yield first


def free_address(settings: Settings, taken: Collection[str]) -> str | None:
    """The next free host address, or None when there is none. Use `AddressPool` for many in a row."""
    return AddressPool(settings, taken).take()


def is_host_address(ip: str, settings: Settings) -> bool:
    """Whether a guest may have this address: in the subnet, and not network, broadcast or gateway."""
    try:
        number = number_of(ip)
    except ValueError:
        return False
    first, last, gateway = _host_range(settings.subnet, settings.gateway)
    return first <= number <= last and number != gateway
