"""TAPs against a real kernel: made whole, put right, and nobody else's touched."""

import fcntl
import os
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from namespaces import Namespace
from netlab import host_paths, record_of, run, shell, spec_of

from vmmcompose.errors import HostError
from vmmcompose.host import netlink
from vmmcompose.host.network import create_tap, delete_tap, refuse_busy_tap, sync_network
from vmmcompose.model.settings import Settings
from vmmcompose.network.compare import tap_differences

pytestmark = pytest.mark.root

BRIDGE = "vmm-br0"
WEB = record_of("web", "172.16.0.2")


def tap_reasons(settings: Settings) -> list[str]:
    return [reason.why for reason in tap_differences(WEB.spec, netlink.read_links(), settings)]


TAP_DAMAGES = {
    "deleted": shell(f"ip link delete {WEB.spec.tap}"),
    "down": shell(f"ip link set {WEB.spec.tap} down"),
    "off the bridge": shell(f"ip link set {WEB.spec.tap} nomaster"),
    "on another bridge": shell("ip link add br9 type bridge", f"ip link set {WEB.spec.tap} master br9"),
    "no hairpin": shell(f"ip link set {WEB.spec.tap} type bridge_slave hairpin off"),
    "another alias of ours": shell(f"ip link set {WEB.spec.tap} alias vmm:000000000000"),
    "bridge replaced": shell(f"ip link delete {BRIDGE}"),
}


@pytest.mark.parametrize("damage", TAP_DAMAGES)
def test_tap_is_made_and_put_right(netns: Namespace, tmp_path: Path, damage: str) -> None:
    settings, paths = host_paths(tmp_path)
    sync_network([WEB], settings, paths)
    assert tap_reasons(settings)
    create_tap(WEB.spec, settings)
    assert tap_reasons(settings) == []
    TAP_DAMAGES[damage]()
    assert tap_reasons(settings)
    sync_network([WEB], settings, paths)
    create_tap(WEB.spec, settings)
    assert tap_reasons(settings) == []
    delete_tap(WEB.spec.tap)
    delete_tap(WEB.spec.tap)
    assert WEB.spec.tap not in netlink.read_links()


@pytest.mark.parametrize("kind", ["veth", "tap"])
def test_a_strangers_link_of_the_taps_name_is_left_alone(netns: Namespace, tmp_path: Path, kind: str) -> None:
    settings, paths = host_paths(tmp_path)
    sync_network([WEB], settings, paths)
    name = WEB.spec.tap
    run(
        *(
            ["ip", "tuntap", "add", name, "mode", "tap"]
            if kind == "tap"
            else ["ip", "link", "add", name, "type", kind]
        )
    )
    before = netlink.read_links()
    with pytest.raises(HostError, match=name):
        create_tap(WEB.spec, settings)
    delete_tap(name)
    assert netlink.read_links() == before


def test_a_tap_without_its_bridge_is_not_left_behind(netns: Namespace) -> None:
    with pytest.raises(HostError, match=BRIDGE):
        create_tap(WEB.spec, Settings())
    assert set(netlink.read_links()) == {"lo"}


def test_a_tap_can_be_opened_as_a_vmm_does_and_its_holder_is_named(netns: Namespace, tmp_path: Path) -> None:
    settings, paths = host_paths(tmp_path)
    sync_network([WEB], settings, paths)
    create_tap(WEB.spec, settings)
    refuse_busy_tap(WEB.spec)
    request = struct.pack("16sH22x", WEB.spec.tap.encode(), 0x0002 | 0x1000 | 0x4000)
    vmm = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    second = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(vmm, 0x400454CA, request)
        with pytest.raises(OSError, match="busy"):
            fcntl.ioctl(second, 0x400454CA, request)
        create_tap(WEB.spec, settings)  # nothing to do, and nothing is disturbed
        with pytest.raises(HostError, match=f"shop-web.*{os.getpid()}"):
            refuse_busy_tap(WEB.spec)
    finally:
        os.close(second)
        os.close(vmm)
    assert tap_reasons(settings) == []  # it persists


def test_taps_are_made_side_by_side(netns: Namespace, tmp_path: Path) -> None:
    settings, paths = host_paths(tmp_path)
    specs = [spec_of(f"vm{number}", f"172.16.1.{number}") for number in range(20)]
    sync_network([WEB], settings, paths)
    with ThreadPoolExecutor(8) as pool:  # threads are born in the namespace of the thread that makes them
        list(pool.map(lambda spec: create_tap(spec, settings), specs))
    links = netlink.read_links()
    assert [tap_differences(spec, links, settings) for spec in specs] == [()] * 20
