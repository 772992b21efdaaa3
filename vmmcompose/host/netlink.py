"""The door to network links: one dump to see them, rtnetlink and /dev/net/tun to change them.

Looking goes through `ip -j`: importing pyroute2 takes longer than everything else a listing does.
"""

import errno
import fcntl
import json
import os
import struct
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

from vmmcompose.errors import HostError, HostUnfit
from vmmcompose.host.netcommand import run_tool
from vmmcompose.model.observed import Link
from vmmcompose.network.conflicts import BRIDGE_PORTS

# include/uapi/linux/if_tun.h
_TUNSETIFF = 0x400454CA
_TUNSETPERSIST = 0x400454CB
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR, _IFF_TUN_EXCL = 0x0002, 0x1000, 0x4000, 0x8000
_TUN_DEVICE = "/dev/net/tun"


def read_links() -> dict[str, Link]:
    """All links of this network namespace by name. One child process; needs no root.

    Raises:
        HostUnfit: `ip` is not installed.
        HostError: it failed.
    """
    done = run_tool("ip", "-j", "-d", "addr", "show")
    if done.returncode != 0:
        raise HostError(f"ip could not list the links: {done.stderr.strip()}")
    try:
        shown = json.loads(done.stdout or "[]")
    except ValueError as error:
        raise HostError(f"ip printed no JSON: {error}", hint="iproute2 4.18 or newer is needed") from error
    return {link.name: link for link in map(_link, filter(None, shown))}


def _link(shown: dict[str, Any]) -> Link:
    """One entry of `ip -j -d addr`; `-d` adds kind and bridge port."""
    info = shown.get("linkinfo", {})
    return Link(
        name=shown["ifname"],
        kind=info.get("info_kind", ""),
        alias=shown.get("ifalias", ""),
        master=shown.get("master", ""),
        mac=shown.get("address", ""),
        up="UP" in shown.get("flags", ()),
        hairpin=bool(info.get("info_slave_data", {}).get("hairpin", False)),
        addresses=tuple(
            f"{entry['local']}/{entry['prefixlen']}"
            for entry in shown.get("addr_info", ())
            if entry.get("family") == "inet"
        ),
    )


@contextmanager
def _rtnetlink(doing: str) -> Iterator[Any]:
    """A socket to the kernel; what goes wrong is told as `could not <doing>: why`."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        with IPRoute() as route:
            yield route
    except NetlinkError as error:
        raise _refused(doing, error.code) from error
    except OSError as error:
        raise _refused(doing, error.errno or 0) from error


def _refused(doing: str, code: int) -> HostError | HostUnfit:
    if code in (errno.EPERM, errno.EACCES):
        return HostUnfit(f"could not {doing}: not permitted", hint="run it as root")
    hint = f"a bridge takes {BRIDGE_PORTS} VMs" if code == errno.EXFULL else ""
    return HostError(f"could not {doing}: {os.strerror(code)}", hint=hint)


def _index(route: Any, name: str) -> int:  # noqa: ANN401 - pyroute2 has no types
    found = route.link_lookup(ifname=name)
    if not found:
        raise HostError(f"link {name} is gone", hint="something else deletes links; try again")
    return int(found[0])


def create_bridge(name: str, mac: str) -> None:
    """Creates a bridge that forwards at once: no STP, no forward delay. Its MAC is fixed from the start.

    Raises:
        HostError: the kernel refused, or a link of that name exists.
    """
    with _rtnetlink(f"create bridge {name}") as route:
        route.link("add", ifname=name, kind="bridge", address=mac, br_stp_state=0, br_forward_delay=0)


@dataclass(frozen=True, slots=True)
class LinkState:
    """What `set_link` shall make of a link; None leaves a thing as it is."""

    alias: str | None = None
    mac: str | None = None
    master: str | None = None
    hairpin: bool | None = None
    up: bool | None = None


def set_link(name: str, state: LinkState) -> None:
    """Sets properties of a link.

    Raises:
        HostError: the kernel refused, or the link or its bridge is missing.
    """
    with _rtnetlink(f"set up link {name}") as route:
        _set_link(route, name, state)


def _set_link(route: Any, name: str, state: LinkState) -> None:  # noqa: ANN401 - pyroute2 has no types
    changes: dict[str, Any] = {}
    if state.alias is not None:
        changes["ifalias"] = state.alias
    if state.mac is not None:
        changes["address"] = state.mac
    if state.master is not None:
        changes["master"] = _index(route, state.master)
    if state.up is not None:
        changes["state"] = "up" if state.up else "down"
    index = _index(route, name)
    if changes:
        route.link("set", index=index, **changes)
    if state.hairpin is not None:
        route.brport("set", index=index, mode=int(state.hairpin))


def set_addresses(name: str, wanted: Collection[str], present: Collection[str]) -> None:
    """Makes a link's IPv4 addresses (with prefix length) the wanted ones.

    Raises:
        HostError: the kernel refused.
    """
    with _rtnetlink(f"set the addresses of {name}") as route:
        index = _index(route, name)
        for address in sorted(set(present) - set(wanted)):
            route.addr("delete", index=index, **_address(address))
        for address in sorted(set(wanted) - set(present)):
            broadcast = str(IPv4Interface(address).network.broadcast_address)
            route.addr("add", index=index, broadcast=broadcast, **_address(address))


def _address(text: str) -> dict[str, Any]:
    interface = IPv4Interface(text)
    return {"address": str(interface.ip), "prefixlen": interface.network.prefixlen}


def delete_link(name: str, *, alias_prefix: str = "") -> None:
    """Deletes a link if its alias starts like this; one that is gone already is no error.

    Raises:
        HostError: the kernel refused.
    """
    with _rtnetlink(f"delete link {name}") as route:
        for index in route.link_lookup(ifname=name):
            (link,) = route.link("get", index=index)
            if (link.get_attr("IFLA_IFALIAS") or "").startswith(alias_prefix):
                route.link("delete", index=index)


def create_tap(name: str, state: LinkState) -> bool:
    """Creates a persistent TAP with these properties; False when a link of that name exists.

    It becomes persistent last: a command that is killed before leaves nothing, as the kernel deletes a TAP
    with its only descriptor. So a TAP without our alias is never ours. The flags are those Firecracker and
    qemu open it with: no packet header, virtio header, one queue.

    Raises:
        HostUnfit: there is no /dev/net/tun, or this is not root.
        HostError: the kernel refused.
    """
    doing = f"create TAP {name}"
    try:
        descriptor = os.open(_TUN_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        hint = "load the kernel module tun (modprobe tun) and run it as root"
        raise HostUnfit(f"could not {doing}: {_TUN_DEVICE}: {error.strerror}", hint=hint) from error
    try:
        flags = _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR | _IFF_TUN_EXCL
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
        with _rtnetlink(doing) as route:
            _set_link(route, name, state)
        fcntl.ioctl(descriptor, _TUNSETPERSIST, 1)
    except OSError as error:
        if error.errno == errno.EBUSY:  # the name is in use, which IFF_TUN_EXCL asks to be told
            return False
        raise _refused(doing, error.errno or 0) from error
    finally:
        os.close(descriptor)
    return True


def tap_holders(name: str) -> tuple[int, ...]:
    """Pids of the processes that have a TAP open, sorted; from `iff:` in /proc/PID/fdinfo. Slow."""
    held = f"iff:\t{name}\n"
    pids = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and any(held in text for text in _descriptors(process)):
            pids.add(int(process.name))
    return tuple(sorted(pids))


def _descriptors(process: Path) -> Iterator[str]:
    try:
        for path in (process / "fdinfo").iterdir():
            if (process / "fd" / path.name).readlink() == Path(_TUN_DEVICE):
                yield path.read_text(encoding="ascii", errors="replace")
    except OSError:  # the process ended, or is another user's
        return
