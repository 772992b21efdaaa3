"""What a simulated host's links become when its network is made what the records ask for."""

from collections.abc import Mapping
from dataclasses import replace

from vmmcompose.model.observed import Link
from vmmcompose.model.settings import Settings
from vmmcompose.network.addresses import bridge_address, bridge_mac
from vmmcompose.network.compare import bridge_alias


def synced_links(links: Mapping[str, Link], settings: Settings, *, wanted: bool) -> dict[str, Link]:
    """With a bridge that has all our TAPs, or with none."""
    bridge, made = settings.bridge_name, dict(links)
    if not wanted:
        made.pop(bridge, None)
        return made
    addresses = (bridge_address(settings),)
    made[bridge] = Link(
        bridge, "bridge", bridge_alias(settings), mac=bridge_mac(settings), up=True, addresses=addresses
    )
    for name, link in made.items():
        if link.alias.startswith("vmm:") and link.kind == "tun" and not link.master:
            made[name] = replace(link, master=bridge)
    return made
