from dataclasses import replace

import pytest
from netlab import record_of

from vmmcompose.model.observed import HostFacts, Link
from vmmcompose.model.settings import Settings
from vmmcompose.network.compare import network_differences, tap_differences, unwanted_taps
from vmmcompose.network.rules import wanted_rules

SETTINGS = Settings()
WEB = record_of("web", "172.16.0.2")
BRIDGE = Link(
    "vmm-br0",
    "bridge",
    alias="vmm:/var/lib/vmm",
    mac="06:00:ac:10:00:01",
    up=True,
    addresses=("172.16.0.1/16",),
)
TAP = Link(WEB.spec.tap, "tun", alias=f"vmm:{WEB.spec.id}", master="vmm-br0", up=True, hairpin=True)
HOST = HostFacts(ip_forward=True, route_localnet=True)
RULES = wanted_rules([WEB], SETTINGS)


def whys(bridge: Link | None, host: HostFacts = HOST) -> list[str]:
    links = {bridge.name: bridge} if bridge else {}
    return [reason.why for reason in network_differences([WEB], SETTINGS, links, RULES, host)]


def test_nothing_differs() -> None:
    assert whys(BRIDGE) == []


@pytest.mark.parametrize(
    ("bridge", "why"),
    [
        (None, "bridge vmm-br0 missing"),
        (replace(BRIDGE, up=False), "bridge vmm-br0: state is down"),
        (replace(BRIDGE, mac="02:00:00:00:00:01"), "bridge vmm-br0: MAC is 02:00:00:00:00:01"),
        (replace(BRIDGE, addresses=()), "bridge vmm-br0: address is missing"),
        (replace(BRIDGE, addresses=("172.16.0.1/24",)), "bridge vmm-br0: address is 172.16.0.1/24"),
        (replace(BRIDGE, alias=""), "bridge vmm-br0: alias is missing"),
    ],
)
def test_what_is_wrong_with_the_bridge(bridge: Link | None, why: str) -> None:
    assert whys(bridge) == [why]


def test_switches() -> None:
    off = HostFacts(ip_forward=False, route_localnet=False)
    assert whys(BRIDGE, off) == ["forwarding is off", "forwards from 127.0.0.1 are off"]
    assert whys(None, off) == ["bridge vmm-br0 missing", "forwarding is off"]


@pytest.mark.parametrize(
    "stranger", [replace(BRIDGE, alias="vmm:/other"), Link("vmm-br0", "veth"), Link("vmm-br0", "bridge")]
)
def test_a_strangers_bridge_is_a_problem_and_no_difference(stranger: Link) -> None:
    assert whys(stranger) == []
    assert network_differences([], SETTINGS, {"vmm-br0": stranger}, RULES, HOST) == ()


def test_what_was_not_seen_is_not_guessed() -> None:
    assert network_differences([WEB], SETTINGS, None, None, HOST) == ()
    assert network_differences([], SETTINGS, None, None, HOST) == ()


def test_without_records_bridge_and_chains_are_unwanted_and_switches_nobodys_business() -> None:
    reasons = network_differences([], SETTINGS, {"vmm-br0": BRIDGE}, RULES, HostFacts())
    lines = [reason.why for reason in reasons]
    assert lines[0] == "bridge vmm-br0 no longer wanted"
    assert "chain VMM-PRE in nat no longer wanted" in lines
    assert "forwarding is off" not in lines


@pytest.mark.parametrize(
    ("tap", "why"),
    [
        (None, f"TAP {TAP.name} missing"),
        (replace(TAP, master="br9"), f"TAP {TAP.name}: bridge is br9"),
        (replace(TAP, master=""), f"TAP {TAP.name}: bridge is missing"),
        (replace(TAP, hairpin=False), f"TAP {TAP.name}: hairpin is off"),
        (replace(TAP, up=False), f"TAP {TAP.name}: state is down"),
        (replace(TAP, alias="vmm:0"), f"TAP {TAP.name}: alias is vmm:0"),
    ],
)
def test_what_is_wrong_with_a_tap(tap: Link | None, why: str) -> None:
    links = {tap.name: tap} if tap else {}
    assert [reason.why for reason in tap_differences(WEB.spec, links, SETTINGS)] == [why]


def test_a_good_or_a_strangers_tap_does_not_differ() -> None:
    for link in (TAP, replace(TAP, alias=""), replace(TAP, kind="veth")):
        assert tap_differences(WEB.spec, {TAP.name: link}, SETTINGS) == ()


def test_unwanted_taps_are_ours_alone() -> None:
    links = {
        link.name: link
        for link in (
            BRIDGE,
            TAP,
            replace(TAP, name="vmm-old"),
            replace(TAP, name="vmm-other", master="vmm-br1"),
            replace(TAP, name="theirs", alias="mine"),
            replace(TAP, name="vmm-loose", master=""),
        )
    }
    assert unwanted_taps(links, {TAP.name}, SETTINGS) == ("vmm-old",)
    del links["vmm-br0"]
    assert unwanted_taps(links, {TAP.name}, SETTINGS) == ("vmm-loose", "vmm-old")
