"""What `sync_network` and `create_tap` would change, as reasons for a plan."""

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from vmmcompose.model.observed import HostFacts, Link, RuleSet
from vmmcompose.model.plan import Reason
from vmmcompose.model.record import Record
from vmmcompose.model.settings import Settings
from vmmcompose.model.spec import VmSpec
from vmmcompose.network.addresses import bridge_address, bridge_mac
from vmmcompose.network.rules import wanted_rules
from vmmcompose.network.saved import rule_differences

OURS = "vmm:"
"""How the alias of a link of ours starts."""
Owner = Literal["nobody", "us", "stranger"]


def bridge_alias(settings: Settings) -> str:
    """The bridge's ifalias: which data folder the bridge belongs to. 255 bytes at most (IFALIASZ - 1)."""
    return f"{OURS}{settings.data_dir}"[:255]


def tap_alias(vm_id: str) -> str:
    """The ifalias of a VM's TAP."""
    return f"{OURS}{vm_id}"


def bridge_owner(link: Link | None, settings: Settings) -> Owner:
    """Whose the link of the bridge's name is.

    A bridge without alias but with exactly our MAC is ours: the kernel takes an alias only after creation,
    and the command may have ended in between.
    """
    if link is None:
        return "nobody"
    half_made = not link.alias and link.mac == bridge_mac(settings)
    ours = link.kind == "bridge" and (link.alias == bridge_alias(settings) or half_made)
    return "us" if ours else "stranger"


def network_differences(
    records: Iterable[Record],
    settings: Settings,
    observed_links: Mapping[str, Link] | None,
    observed_rules: RuleSet | None,
    host_facts: HostFacts,
) -> tuple[Reason, ...]:
    """Everything `sync_network` would change for these records; what is None was not seen and is not guessed.

    A bridge that belongs to somebody else is a problem (`conflicts.bridge_problems`), not a difference.
    """
    known = tuple(records)
    reasons: list[Reason] = []
    bridge = (observed_links or {}).get(settings.bridge_name)
    if bridge_owner(bridge, settings) == "stranger":
        return ()
    if observed_links is not None:
        reasons += bridge_differences(bridge, settings) if known else _unwanted_bridge(bridge)
    if known:
        reasons += _sysctl_differences(settings, host_facts, bridge_there=bridge is not None)
    if observed_rules is not None:
        reasons += rule_differences(wanted_rules(known, settings), observed_rules)
    return tuple(reasons)


def _unwanted_bridge(bridge: Link | None) -> list[Reason]:
    return [Reason(why=f"bridge {bridge.name} no longer wanted")] if bridge else []


def bridge_differences(bridge: Link | None, settings: Settings) -> list[Reason]:
    """What is wrong with our bridge."""
    name = settings.bridge_name
    if bridge is None:
        return [Reason(why=f"bridge {name} missing")]
    wanted = (bridge_address(settings),)
    differences = (
        ("alias", bridge.alias, bridge_alias(settings)),
        ("MAC", bridge.mac, bridge_mac(settings)),
        ("address", ", ".join(bridge.addresses), ", ".join(wanted)),
        ("state", _state(bridge), "up"),
    )
    return [
        Reason(field=f"{name}.{what}", old=old, new=new, why=f"bridge {name}: {what} is {old or 'missing'}")
        for what, old, new in differences
        if old != new
    ]


def _state(link: Link) -> str:
    return "up" if link.up else "down"


def _sysctl_differences(settings: Settings, host: HostFacts, *, bridge_there: bool) -> list[Reason]:
    reasons = []
    if not host.ip_forward:
        reasons.append(Reason(field="net.ipv4.ip_forward", old="0", new="1", why="forwarding is off"))
    if bridge_there and not host.route_localnet:
        key = f"net.ipv4.conf.{settings.bridge_name}.route_localnet"
        reasons.append(Reason(field=key, old="0", new="1", why="forwards from 127.0.0.1 are off"))
    return reasons


def tap_differences(spec: VmSpec, links: Mapping[str, Link], settings: Settings) -> tuple[Reason, ...]:
    """What `create_tap` would change about a VM's TAP. A stranger's link is a problem, not a difference."""
    tap = links.get(spec.tap)
    if tap is None:
        return (Reason(why=f"TAP {spec.tap} missing"),)
    if not is_our_tap(tap):
        return ()
    differences = (
        ("alias", tap.alias, tap_alias(spec.id)),
        ("bridge", tap.master, settings.bridge_name),
        ("hairpin", _switch(on=tap.hairpin), "on"),
        ("state", _state(tap), "up"),
    )
    return tuple(
        Reason(
            field=f"{spec.tap}.{what}", old=old, new=new, why=f"TAP {spec.tap}: {what} is {old or 'missing'}"
        )
        for what, old, new in differences
        if old != new
    )


def _switch(*, on: bool) -> str:
    return "on" if on else "off"


def is_our_tap(link: Link) -> bool:
    """Whether a link is a TAP of ours."""
    return link.kind == "tun" and link.alias.startswith(OURS)


def unwanted_taps(links: Mapping[str, Link], wanted: Collection[str], settings: Settings) -> tuple[str, ...]:
    """Our TAPs that nobody in `wanted` (TAP names) has, sorted: those on our bridge.

    TAPs on no bridge count only while our bridge is missing: else they may be another data folder's.
    """
    masters = {settings.bridge_name} | (set() if settings.bridge_name in links else {""})
    return tuple(
        sorted(
            name
            for name, link in links.items()
            if is_our_tap(link) and link.master in masters and name not in wanted
        )
    )
