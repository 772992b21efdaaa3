"""`sync_network` against a real kernel: from any damage back to no difference, and to nothing."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from namespaces import Namespace
from netlab import differences, host_paths, record_of, run, saved_rules, shell

from vmmcompose.errors import HostError
from vmmcompose.host import iptables, netlink, procnet, sysctl
from vmmcompose.host.network import sync_network
from vmmcompose.model.desired import Forward
from vmmcompose.model.observed import RuleSet
from vmmcompose.network.rules import wanted_rules

pytestmark = pytest.mark.root

BRIDGE = "vmm-br0"
WEB = record_of("web", "172.16.0.2", Forward(8080, 80), Forward(5353, 53, "udp"))
DB = record_of("db", "172.16.0.3", Forward(5432, 5432, bind="127.0.0.1"))
COMMENT = """-m comment --comment "somebody's rule\""""
FOREIGN = f"""*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.30.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8088 {COMMENT} -j DNAT --to-destination 172.30.0.2:80
COMMIT
*filter
:DOCKER-USER - [0:0]
-P FORWARD DROP
-A FORWARD -j DOCKER-USER
-A FORWARD -i docker0 -j ACCEPT
-A INPUT -s 198.51.100.7/32 -m comment --comment "vmm is mentioned here" -j DROP
-A DOCKER-USER -j RETURN
COMMIT
*raw
-A PREROUTING -s 198.51.100.8/32 -j DROP
COMMIT
"""


DAMAGES: dict[str, Callable[[], None]] = {
    "bridge deleted": shell(f"ip link delete {BRIDGE}"),
    "bridge down": shell(f"ip link set {BRIDGE} down"),
    "bridge without address": shell(f"ip addr flush dev {BRIDGE}"),
    "bridge with another address": shell(f"ip addr add 10.99.0.1/24 dev {BRIDGE}"),
    "bridge with another mac": shell(f"ip link set {BRIDGE} address 02:00:00:00:00:01"),
    "filter flushed": shell("iptables -F"),
    "nat flushed": shell("iptables -t nat -F"),
    "raw flushed": shell("iptables -t raw -F"),
    "everything flushed and deleted": shell(
        "iptables -F",
        "iptables -X",
        "iptables -t nat -F",
        "iptables -t nat -X",
        "iptables -t raw -F",
        "iptables -t raw -X",
    ),
    "jump removed": shell("iptables -t nat -D OUTPUT -m addrtype --dst-type LOCAL -j VMM-PRE"),
    "jump behind another rule": shell("iptables -I FORWARD 1 -j ACCEPT"),
    "jump double": shell("iptables -A FORWARD -j VMM-FWD", "iptables -t nat -A POSTROUTING -j VMM-POST"),
    "jump from elsewhere": shell("iptables -N THEIRS", "iptables -A THEIRS -p udp -g VMM-FWD"),
    "rule added to our chain": shell("iptables -t nat -I VMM-PRE -p tcp --dport 1 -j RETURN"),
    "rule removed from our chain": shell("iptables -t nat -D VMM-PRE 1"),
    "rules of our chain in another order": shell(
        "iptables -D VMM-FWD 1",
        f"iptables -A VMM-FWD -o {BRIDGE} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    ),
    "forwarding off": shell("sysctl -qw net.ipv4.ip_forward=0"),
    "localhost forwards off": shell(f"sysctl -qw net.ipv4.conf.{BRIDGE}.route_localnet=0"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_seen_and_healed(netns: Namespace, tmp_path: Path, damage: str) -> None:
    settings, paths = host_paths(tmp_path)
    assert differences([WEB, DB], settings)
    sync_network([WEB, DB], settings, paths)
    assert differences([WEB, DB], settings) == ()
    DAMAGES[damage]()
    assert differences([WEB, DB], settings)
    sync_network([WEB, DB], settings, paths)
    assert differences([WEB, DB], settings) == ()


@pytest.mark.parametrize("damage", DAMAGES)
def test_from_every_damage_the_way_to_nothing_is_clean(netns: Namespace, tmp_path: Path, damage: str) -> None:
    settings, paths = host_paths(tmp_path)
    run("sysctl", "-qw", "net.ipv4.ip_forward=0")
    links = set(netlink.read_links())
    sync_network([WEB, DB], settings, paths)
    DAMAGES[damage]()
    sync_network([], settings, paths)
    assert differences([], settings) == ()
    assert iptables.read_rules(settings) == RuleSet()
    assert set(netlink.read_links()) == links
    assert not procnet.forwarding()
    assert not Path(paths.network_state()).exists()


def test_foreign_rules_stay_byte_for_byte(netns: Namespace, tmp_path: Path) -> None:
    settings, paths = host_paths(tmp_path)
    run("iptables-restore", "--noflush", text=FOREIGN)
    before = saved_rules()
    assert len(before) > 10
    for records in ([WEB], [WEB, DB], [DB], []):
        sync_network(records, settings, paths)
        assert saved_rules() == before
        assert differences(records, settings) == ()
    assert "VMM" not in "".join(saved_rules(without="nothing"))


def test_what_is_read_back_is_what_was_wanted(netns: Namespace, tmp_path: Path) -> None:
    settings, paths = host_paths(tmp_path)
    sync_network([WEB, DB], settings, paths)
    assert iptables.read_rules(settings) == wanted_rules([WEB, DB], settings)


def test_a_second_sync_starts_no_restore_and_changes_nothing(netns: Namespace, tmp_path: Path) -> None:
    settings, paths = host_paths(tmp_path)
    sync_network([WEB], settings, paths)
    run("iptables", "-t", "nat", "-Z")
    run(
        "iptables",
        "-t",
        "nat",
        "-R",
        "VMM-POST",
        "1",
        *["-s", "172.16.0.0/16", "!", "-o", "vmm-br0", "-j", "MASQUERADE", "-c", "7", "7"],
    )
    sync_network([WEB], settings, paths)
    saved = subprocess.run(
        ["iptables-save", "-c", "-t", "nat"], capture_output=True, text=True, check=True
    ).stdout
    assert "[7:7] -A VMM-POST" in saved  # a rewritten rule would count from zero again


def test_two_data_folders_with_two_bridges_do_not_meet(netns: Namespace, tmp_path: Path) -> None:
    settings, paths = host_paths(tmp_path / "one")
    other, other_paths = host_paths(tmp_path / "two")
    other = replace(other, bridge_name="vmm-very-long-b", subnet="10.77.0.0/24", gateway="10.77.0.1")
    sync_network([WEB], settings, paths)
    sync_network([DB], other, other_paths)
    assert differences([WEB], settings) == ()
    assert differences([DB], other) == ()
    sync_network([], settings, paths)
    assert differences([DB], other) == ()
    assert procnet.forwarding()  # the other one still needs it
    sync_network([], other, other_paths)
    assert set(netlink.read_links()) == {"lo"}


def test_a_bridge_of_another_data_folder_is_refused_and_left_alone(netns: Namespace, tmp_path: Path) -> None:
    settings, paths = host_paths(tmp_path / "one")
    other, other_paths = host_paths(tmp_path / "two")
    sync_network([WEB], settings, paths)
    before = saved_rules(without="nothing")
    with pytest.raises(HostError, match=BRIDGE):
        sync_network([DB], other, other_paths)
    sync_network([], other, other_paths)
    assert saved_rules(without="nothing") == before
    assert differences([WEB], settings) == ()
    assert differences([], other) == ()


@pytest.mark.parametrize("kind", ["bridge", "veth"])
def test_a_strangers_link_of_the_bridges_name_is_left_alone(
    netns: Namespace, tmp_path: Path, kind: str
) -> None:
    settings, paths = host_paths(tmp_path)
    run("ip", "link", "add", BRIDGE, "type", kind)
    with pytest.raises(HostError, match=BRIDGE):
        sync_network([WEB], settings, paths)
    sync_network([], settings, paths)
    assert BRIDGE in netlink.read_links()
    assert not procnet.forwarding()


def test_a_bridge_that_was_being_made_is_ours(netns: Namespace, tmp_path: Path) -> None:
    settings, paths = host_paths(tmp_path)
    netlink.create_bridge(BRIDGE, "06:00:ac:10:00:01")
    assert differences([], settings)
    sync_network([WEB], settings, paths)
    assert differences([WEB], settings) == ()


def test_forwarding_that_was_on_before_stays_on(netns: Namespace, tmp_path: Path) -> None:
    settings, paths = host_paths(tmp_path)
    sysctl.write_switch(sysctl.FORWARDING, "1")
    sync_network([WEB], settings, paths)
    sync_network([], settings, paths)
    assert procnet.forwarding()


def test_forwarding_stays_on_for_a_bridge_that_came_later(netns: Namespace, tmp_path: Path) -> None:
    settings, paths = host_paths(tmp_path)
    sync_network([WEB], settings, paths)
    run("ip", "link", "add", "docker0", "type", "bridge")
    sync_network([], settings, paths)
    assert procnet.forwarding()


def test_what_was_before_is_remembered_once(netns: Namespace, tmp_path: Path) -> None:
    settings, paths = host_paths(tmp_path)
    for records in ([WEB], [WEB, DB], [DB]):
        sync_network(records, settings, paths)
    run("ip", "link", "delete", BRIDGE)
    sync_network([DB], settings, paths)
    sync_network([], settings, paths)
    assert not procnet.forwarding()


def test_what_was_in_another_namespace_is_forgotten(netns: Namespace, tmp_path: Path) -> None:
    settings, paths = host_paths(tmp_path)
    with Namespace() as former, former.inside():
        sync_network([WEB], settings, paths)
        with netns.inside():  # a reboot: nothing is left but the files, and forwarding is on by itself
            sysctl.write_switch(sysctl.FORWARDING, "1")
            assert differences([WEB], settings)
            sync_network([WEB], settings, paths)
            assert differences([WEB], settings) == ()
            sync_network([], settings, paths)
            assert procnet.forwarding()
