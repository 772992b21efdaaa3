"""Names, name servers and the kernel's command line."""

from dataclasses import replace

import pytest
from guest_spec import SPEC

from vmmcompose.guest import command_line, hosts_file
from vmmcompose.guest.names import netmask, resolv_conf
from vmmcompose.model.peers import Peers


def test_every_vm_is_known_by_its_short_and_its_long_name() -> None:
    assert hosts_file(SPEC) == (
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "172.16.0.2\tfront web web.shop\n"
        "172.16.0.3\tdb db.shop\n"
    )


def test_a_vm_without_peers_still_knows_itself() -> None:
    assert "172.16.0.2\tfront web web.shop\n" in hosts_file(replace(SPEC, peers=Peers()))


def test_no_name_stands_twice() -> None:
    text = hosts_file(replace(SPEC, hostname="db"))
    names = [name for line in text.splitlines() for name in line.split()[1:]]
    assert "172.16.0.2\tdb web web.shop\n" in text
    assert "172.16.0.3\tdb.shop\n" in text
    assert names.count("db") == 1


def test_no_hostname_means_the_short_name() -> None:
    assert "172.16.0.2\tweb web.shop\n" in hosts_file(replace(SPEC, hostname=""))


def test_the_hosts_loopback_resolver_does_not_reach_the_guest() -> None:
    assert resolv_conf(replace(SPEC, resolvers=("127.0.0.53", "::1"))) == "# no name server is known\n"
    assert resolv_conf(replace(SPEC, resolvers=("fe80::1%eth0", "::1"))) == "nameserver fe80::1%eth0\n"


@pytest.mark.parametrize(("prefix", "mask"), [(16, "255.255.0.0"), (29, "255.255.255.248"), (0, "0.0.0.0")])
def test_netmask(prefix: int, mask: str) -> None:
    assert netmask(prefix) == mask


def test_the_users_boot_args_come_last() -> None:
    line = command_line(replace(SPEC, boot_args=" quiet root=/dev/vdb "), "console=ttyS0 reboot=k ")
    assert line == (
        "console=ttyS0 reboot=k root=/dev/vda rw "
        "ip=172.16.0.2::172.16.0.1:255.255.0.0:front:eth0:off net.ifnames=0 quiet root=/dev/vdb"
    )
    assert command_line(SPEC, "").startswith("root=/dev/vda rw ip=")
    assert not command_line(SPEC, "").endswith(" ")
