"""Makes the host's network what the records ask for, and takes it away with the last VM.

Level-based: looks at what is there, changes what differs, from whatever half-state it finds. The caller holds
the host lock. The order matters to a command that is killed in between: what is to be restored is written
down before anything changes, and restored while bridge and chains still show that there is something to do.
"""

from collections.abc import Sequence

from vmmcompose.errors import HostError, HostUnfit
from vmmcompose.host import iptables, netlink, netstate, sysctl
from vmmcompose.host.netlink import LinkState
from vmmcompose.model.observed import Link
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Record
from vmmcompose.model.settings import Settings
from vmmcompose.model.spec import VmSpec
from vmmcompose.network.addresses import bridge_address, bridge_mac
from vmmcompose.network.compare import (
    OURS,
    bridge_alias,
    bridge_differences,
    bridge_owner,
    is_our_tap,
    tap_alias,
    tap_differences,
)
from vmmcompose.network.rules import wanted_rules


def sync_network(records: Sequence[Record], settings: Settings, paths: Paths) -> None:
    """Makes bridge, sysctls and our chains what these records ask for; without records, removes them.

    Raises:
        HostUnfit: not root, or a tool is missing.
        HostError: the bridge's name belongs to somebody else, or the kernel refused something.
    """
    observed = iptables.read_rules(settings)
    if observed is None:
        raise HostUnfit("the network's rules can only be changed by root", hint="run it with sudo")
    links = netlink.read_links()
    bridge = links.get(settings.bridge_name)
    owner = bridge_owner(bridge, settings)
    if not records and owner == "stranger":
        return  # another data folder's network, rules and all
    if owner == "stranger":
        hint = "set another `bridge_name`, or delete that link"
        raise HostError(f"link {settings.bridge_name} exists and is not this vmm's bridge", hint=hint)
    wanted = wanted_rules(records, settings)
    if records:
        netstate.remember(paths, links)
        iptables.write_rules(wanted, observed)  # before route_localnet: the drop in raw makes that safe
        _ensure_bridge(bridge, settings)
        _ensure_switches(settings)
    else:
        netstate.restore(paths, links, own=settings.bridge_name)
        if bridge is not None:
            netlink.delete_link(bridge.name)
        iptables.write_rules(wanted, observed)


def _ensure_bridge(bridge: Link | None, settings: Settings) -> None:
    name = settings.bridge_name
    if bridge is None:
        netlink.create_bridge(name, bridge_mac(settings))
    if bridge_differences(bridge, settings):
        netlink.set_link(name, LinkState(alias=bridge_alias(settings), mac=bridge_mac(settings), up=True))
        netlink.set_addresses(name, [bridge_address(settings)], bridge.addresses if bridge else ())


def _ensure_switches(settings: Settings) -> None:
    if not sysctl.forwarding():
        sysctl.write_switch(sysctl.FORWARDING, "1")
    if not sysctl.route_localnet(settings.bridge_name):
        sysctl.write_switch(sysctl.localnet_key(settings.bridge_name), "1")
    sysctl.quicken_neighbours(settings.bridge_name)


def create_tap(spec: VmSpec, settings: Settings) -> None:
    """Creates a VM's TAP on the bridge, or puts right what is wrong with it.

    Raises:
        HostUnfit: not root, or no /dev/net/tun.
        HostError: that link is a stranger's, the bridge is missing or full, or the kernel refused.
    """
    state = LinkState(alias=tap_alias(spec.id), master=settings.bridge_name, hairpin=True, up=True)
    if netlink.create_tap(spec.tap, state):
        return
    links = netlink.read_links()
    tap = links.get(spec.tap)
    if tap is not None and not is_our_tap(tap):
        hint = f"delete it: ip link delete {spec.tap}"
        raise HostError(f"{spec.name}: link {spec.tap} exists and is not a TAP of vmm's", hint=hint)
    if tap_differences(spec, links, settings):
        netlink.set_link(spec.tap, state)


def refuse_busy_tap(spec: VmSpec) -> None:
    """Says who has a VM's TAP open, which only one VMM can; for a VM that is about to start.

    Raises:
        HostError: a process holds it.
    """
    holders = netlink.tap_holders(spec.tap)
    if holders:
        pids = ", ".join(map(str, holders))
        hint = "end it, or let `vmm up` do that"
        raise HostError(f"{spec.name}: its TAP {spec.tap} is held by process {pids}", hint=hint)


def delete_tap(tap: str) -> None:
    """Deletes one of our TAPs; a link without our alias is left alone, one that is gone is no error.

    Raises:
        HostError: the kernel refused.
    """
    netlink.delete_link(tap, alias_prefix=OURS)
