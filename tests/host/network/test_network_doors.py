"""The doors one by one: /proc/net, resolv.conf, iptables as seen by others, links."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from namespaces import Namespace
from other_user import skip_unless_others_can_run

from vmmcompose.errors import HostError, HostUnfit
from vmmcompose.host import iptables, netcommand, netlink, procnet, sysctl
from vmmcompose.model.observed import Rule, RuleSet
from vmmcompose.model.settings import Settings

NOBODY = 65534


@pytest.mark.root
def test_listeners_are_those_that_wait_for_clients(netns: Namespace) -> None:
    with (
        socket.create_server(("127.0.0.1", 8080)),
        socket.create_server(("", 8081)),
        socket.create_server(("::", 8082), family=socket.AF_INET6),
        socket.create_server(("::1", 8083), family=socket.AF_INET6),
        socket.create_server(("::ffff:127.0.0.1", 8084), family=socket.AF_INET6, dualstack_ipv6=True),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waiting,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connected,
        socket.create_connection(("127.0.0.1", 8080)),
    ):
        waiting.bind(("127.0.0.53", 53))
        connected.connect(("127.0.0.53", 53))
        seen = procnet.listeners()
    assert seen == {
        ("tcp", "127.0.0.1", 8080),
        ("tcp", "0.0.0.0", 8081),
        ("tcp", "0.0.0.0", 8082),
        ("tcp", "::1", 8083),
        ("tcp", "127.0.0.1", 8084),
        ("udp", "127.0.0.53", 53),
    }
    assert procnet.listeners() == set()


@pytest.mark.root
def test_routes_and_uplink(netns: Namespace) -> None:
    assert procnet.uplink() == ""
    for name, number in (("up0", 1), ("up1", 2)):
        netns.run("ip", "link", "add", name, "type", "bridge")
        netns.run("ip", "addr", "add", f"10.0.{number}.1/24", "dev", name)
        netns.run("ip", "link", "set", name, "up")
    netns.run("ip", "route", "add", "default", "via", "10.0.1.9", "metric", "200")
    netns.run("ip", "route", "add", "default", "via", "10.0.2.9", "metric", "100")
    netns.run("ip", "route", "add", "172.16.0.0/12", "via", "10.0.2.9")
    assert procnet.uplink() == "up1"
    assert procnet.subnets_in_use() == (
        ("10.0.1.0/24", "up0"),
        ("10.0.2.0/24", "up1"),
        ("172.16.0.0/12", "up1"),
    )


@pytest.mark.parametrize(
    ("contents", "servers"),
    [
        (["nameserver 10.0.0.1\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n"], ("10.0.0.1", "10.0.0.2")),
        (["# none\nnameserver 127.0.0.53\n", "nameserver 192.0.2.53\n"], ("192.0.2.53",)),
        (["nameserver ::1\nnameserver fe80::1%eth0\nnameserver 127.0.0.1\n", ""], ("1.1.1.1", "8.8.8.8")),
        (["nameserver\nnameserver none\nsearch nameserver 10.0.0.9\n"], ("1.1.1.1", "8.8.8.8")),
        ([], ("1.1.1.1", "8.8.8.8")),
    ],
)
def test_nameservers(tmp_path: Path, contents: list[str], servers: tuple[str, ...]) -> None:
    files = []
    for number, content in enumerate(contents):
        path = tmp_path / f"resolv{number}"
        path.write_text(content)
        files.append(str(path))
    assert procnet.nameservers((*files, str(tmp_path / "missing"))) == servers


@pytest.mark.root
def test_rules_are_unseen_without_root(netns: Namespace) -> None:
    skip_unless_others_can_run()
    pid = os.fork()
    if pid == 0:  # a child, as the rights do not come back
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            os._exit(0 if iptables.read_rules(Settings()) is None and "lo" in netlink.read_links() else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.root
def test_changes_without_root_say_so(netns: Namespace) -> None:
    skip_unless_others_can_run()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            with pytest.raises(HostUnfit, match="not permitted"):
                netlink.create_bridge("vmm-br0", "06:00:ac:10:00:01")
            with pytest.raises(HostError, match=r"ip_forward to 1: Permission denied"):
                sysctl.write_switch(sysctl.FORWARDING, "1")
            os._exit(0)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_tools_in_sbin_are_found_and_missing_ones_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path("/usr/sbin/iptables-save").exists():
        pytest.skip("/usr/sbin/iptables-save is missing")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert netcommand.find_tool("iptables-save").endswith("sbin/iptables-save")
    with pytest.raises(HostUnfit, match="iptables-nonsense is not installed"):
        netcommand.find_tool("iptables-nonsense")


@pytest.mark.root
def test_flavour_tells_of_rules_on_the_other_side(netns: Namespace) -> None:
    if shutil.which("iptables-legacy") is None or shutil.which("iptables-nft") is None:
        pytest.skip("iptables-legacy or iptables-nft is missing")
    found = iptables.flavour()
    assert found.version[0].isdigit()
    assert not found.other_in_use
    other = "iptables-legacy" if "nf_tables" in found.version else "iptables-nft"
    netns.run(other, "-A", "INPUT", "-s", "198.51.100.1", "-j", "DROP")
    assert iptables.flavour().other_in_use


@pytest.mark.root
def test_a_refused_rule_set_leaves_the_rules_as_they_were(netns: Namespace) -> None:
    bad = RuleSet(chains=(("nat", "VMM-PRE"),), rules=(Rule("nat", "VMM-PRE", "-p tcp --nonsense"),))
    with pytest.raises(HostError, match="iptables-restore refused the rules"):
        iptables.write_rules(bad, RuleSet())
    assert iptables.read_rules(Settings()) == RuleSet()


@pytest.mark.root
def test_links_as_the_kernel_has_them(netns: Namespace) -> None:
    netlink.create_bridge("br0", "06:00:0a:00:00:01")
    netlink.set_link("br0", netlink.LinkState(alias="vmm:/a folder", up=True))
    netlink.set_addresses("br0", ["10.0.0.1/24", "10.0.1.1/16"], [])
    assert netlink.create_tap("tap0", netlink.LinkState(alias="vmm:1", master="br0", hairpin=True))
    assert not netlink.create_tap("tap0", netlink.LinkState(alias="vmm:2"))
    links = netlink.read_links()
    assert set(links) == {"lo", "br0", "tap0"}
    bridge, tap = links["br0"], links["tap0"]
    assert (bridge.kind, bridge.alias, bridge.mac, bridge.up) == (
        "bridge",
        "vmm:/a folder",
        "06:00:0a:00:00:01",
        True,
    )
    assert bridge.addresses == ("10.0.0.1/24", "10.0.1.1/16")
    assert (tap.kind, tap.alias, tap.master, tap.hairpin, tap.up) == ("tun", "vmm:1", "br0", True, False)
    shown = subprocess.run(
        ["ip", "-d", "link", "show", "br0"], capture_output=True, text=True, check=True
    ).stdout
    assert "forward_delay 0 " in shown
    assert "stp_state 0 " in shown
    netlink.set_addresses("br0", ["10.0.0.1/24"], bridge.addresses)
    assert netlink.read_links()["br0"].addresses == ("10.0.0.1/24",)
    netlink.delete_link("tap0", alias_prefix="other:")
    assert "tap0" in netlink.read_links()
    netlink.delete_link("tap0", alias_prefix="vmm:")
    netlink.delete_link("br0")
    netlink.delete_link("br0")
    assert set(netlink.read_links()) == {"lo"}
    with pytest.raises(HostError, match="br0 is gone"):
        netlink.set_link("br0", netlink.LinkState(up=True))
