"""What the kernel tells of links and rules, in a network namespace of one's own."""

import select
import shutil
import socket
import subprocess
from collections.abc import Iterator

import pytest
from namespaces import Namespace

from vmmcompose.host import netevents

pytestmark = pytest.mark.root


@pytest.fixture
def net() -> Iterator[Namespace]:
    with Namespace() as namespace:
        yield namespace


def run(net: Namespace, *command: str) -> None:
    with net.inside():
        subprocess.run(command, check=True, capture_output=True)


def test_links_and_addresses_are_told_by_name(net: Namespace) -> None:
    with net.inside():
        events = netevents.link_events()
    with events:
        assert netevents.changed_links(events) == set()
        run(net, "ip", "link", "add", "br7", "type", "bridge")
        assert "br7" in netevents.changed_links(events)
        run(net, "ip", "address", "add", "10.9.8.1/24", "dev", "br7")
        assert netevents.changed_links(events) == {"br7"}
        run(net, "ip", "link", "delete", "br7")
        assert "br7" in netevents.changed_links(events)
        assert netevents.changed_links(events) == set()


def test_a_queue_that_ran_over_is_told(net: Namespace) -> None:
    with net.inside():
        events = netevents.link_events()
    with events:
        events.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        for number in range(20):
            run(net, "ip", "link", "add", f"br{number}", "type", "bridge")
        assert netevents.ANY in netevents.changed_links(events)


def test_changed_rules_are_told_and_looking_at_them_is_no_change(net: Namespace) -> None:
    if shutil.which("iptables-nft") is None:
        pytest.skip("iptables-nft is missing")
    with net.inside():
        events = netevents.rule_events()
    assert events is not None
    with events:
        run(net, "iptables-nft", "-A", "INPUT", "-s", "10.1.2.3", "-j", "DROP")
        assert select.select([events], [], [], 5)[0]
        netevents.drain(events)
        run(net, "iptables-nft-save")
        assert not select.select([events], [], [], 0.2)[0]
        run(net, "iptables-nft", "-F")
        assert select.select([events], [], [], 5)[0]


def test_rules_that_nobody_is_told_of_are_known(net: Namespace) -> None:
    if shutil.which("iptables-legacy") is None:
        pytest.skip("iptables-legacy is missing")
    with net.inside():
        assert not netevents.legacy_tables()
        if subprocess.run(["iptables-legacy", "-L"], check=False, capture_output=True).returncode != 0:
            pytest.skip("the kernel has no tables of iptables-legacy")
        assert netevents.legacy_tables()
