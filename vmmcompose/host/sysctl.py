"""The kernel's network switches below /proc/sys/net; of the network namespace this process is in."""

from pathlib import Path

from vmmcompose.errors import HostError

_ROOT = Path("/proc/sys/net/ipv4")
FORWARDING = "ip_forward"
_RETRANS_MS = 100


def read_switch(key: str) -> str:
    """A switch's value, `""` where there is none. `key` is a path below net/ipv4, as names may hold dots."""
    try:
        return (_ROOT / key).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def write_switch(key: str, value: str) -> None:
    """Sets a switch.

    Raises:
        HostError: the kernel refused.
    """
    try:
        (_ROOT / key).write_text(value, encoding="ascii")
    except OSError as error:
        name = f"net.ipv4.{key.replace('/', '.')}"
        hint = "run it as root, with /proc/sys writable"
        raise HostError(f"could not set {name} to {value}: {error.strerror}", hint=hint) from error


def forwarding() -> bool:
    """Whether the host passes packets on."""
    return read_switch(FORWARDING) == "1"


def route_localnet(bridge: str) -> bool:
    """Whether packets from 127.0.0.1 may leave through the bridge, which forwards from localhost need."""
    return read_switch(localnet_key(bridge)) == "1"


def localnet_key(bridge: str) -> str:
    """The key of `route_localnet` for one link."""
    return f"conf/{bridge}/route_localnet"


def quicken_neighbours(bridge: str) -> None:
    """Asks for a guest's MAC every 100 ms instead of every second: a guest that comes up is found at once.

    Only makes waiting shorter, so a kernel without the key is no error.
    """
    key = f"neigh/{bridge}/retrans_time_ms"
    value = read_switch(key)
    if value.isdigit() and int(value) > _RETRANS_MS:
        write_switch(key, str(_RETRANS_MS))
