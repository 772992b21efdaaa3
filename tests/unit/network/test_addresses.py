from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmmcompose.model.settings import Settings
from vmmcompose.network.addresses import (
    AddressPool,
    bridge_address,
    free_address,
    is_host_address,
    mac_of,
    prefix_len,
    vm_id,
)


def net(subnet: str, gateway: str) -> Settings:
    return Settings(subnet=subnet, gateway=gateway)


def test_the_first_address_is_two_and_holes_are_filled() -> None:
    assert free_address(Settings(), ()) == "172.16.0.2"
    assert free_address(Settings(), ("172.16.0.2", "172.16.0.4")) == "172.16.0.3"


def test_every_address_of_a_small_subnet_is_used_once() -> None:
    pool = AddressPool(net("192.168.100.0/29", "192.168.100.6"), ["192.168.100.3"])
    handed = [pool.take() for _ in range(5)]
    assert handed == ["192.168.100.2", "192.168.100.4", "192.168.100.5", "192.168.100.1", None]


@pytest.mark.parametrize(
    ("subnet", "gateway", "count"),
    [
        ("10.0.0.0/30", "10.0.0.1", 1),
        ("10.0.0.0/30", "10.0.0.2", 1),
        ("10.0.0.0/24", "10.0.0.1", 253),
        ("10.0.4.0/22", "10.0.5.7", 1021),
        ("10.0.4.9/22", "10.0.5.7", 1021),
    ],
)
def test_a_subnet_holds_all_but_network_broadcast_and_gateway(subnet: str, gateway: str, count: int) -> None:
    pool = AddressPool(net(subnet, gateway), [])
    handed = list(iter(pool.take, None))
    assert len(handed) == len(set(handed)) == count
    assert all(is_host_address(str(ip), net(subnet, gateway)) for ip in handed)


@given(st.integers(16, 30), st.integers(0, 2**32 - 1), st.data())
def test_never_handed_out_what_is_reserved_or_taken(prefix: int, base: int, data: st.DataObject) -> None:
    network = IPv4Network((base, prefix), strict=False)
    hosts = st.integers(int(network.network_address) + 1, int(network.broadcast_address) - 1).map(
        lambda number: str(IPv4Address(number))
    )
    settings = net(str(network), data.draw(hosts))
    taken = data.draw(st.sets(hosts, max_size=8))
    pool = AddressPool(settings, taken)
    blocked = data.draw(hosts)
    pool.block(blocked)
    for _ in range(8):
        ip = pool.take()
        if ip is None:
            assert network.num_addresses - 2 <= len(taken | {blocked, settings.gateway}) + 8
            return
        assert is_host_address(ip, settings)
        assert ip not in taken | {blocked}


def test_ten_thousand_addresses_in_a_row_are_different() -> None:
    pool = AddressPool(Settings(), [f"172.16.1.{byte}" for byte in range(256)])
    handed = {pool.take() for _ in range(10_000)}
    assert len(handed) == 10_000
    assert "172.16.1.7" not in handed


@pytest.mark.parametrize(
    "ip", ["172.16.0.0", "172.16.255.255", "172.16.0.1", "172.17.0.2", "10.0.0.2", "", "x", "::1"]
)
def test_addresses_no_guest_may_have(ip: str) -> None:
    assert not is_host_address(ip, Settings())


def test_macs_ids_and_the_bridges_address() -> None:
    assert mac_of("172.16.0.2") == "06:00:ac:10:00:02"
    assert prefix_len(net("10.0.0.0/23", "10.0.0.1")) == 23
    assert bridge_address(Settings()) == "172.16.0.1/16"
    assert vm_id("/var/lib/vmm", "shop-web") == "78df4da20c2f"
    assert vm_id("/a", "b") != vm_id("/ab", "")
