"""Real packets between a host, two guests and an outside, with the FORWARD policy DROP."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from namespaces import Namespace
from netlab import GATEWAY, HOST, OUTSIDE, REFUSED_S, Lab, ask, ask_udp, connect, record_of, with_ports

from vmmcompose.model.desired import Forward

pytestmark = pytest.mark.root

WEB, DB = "172.16.0.2", "172.16.0.3"
LOCALHOST = "127.0.0.1"


@pytest.fixture
def lab(netns: Namespace, tmp_path: Path) -> Iterator[Lab]:
    """Two guests, `web` with a forward from 8080 to its port 80."""
    lab = Lab(netns, tmp_path)
    lab.sync(record_of("web", WEB, Forward(8080, 80)), record_of("db", DB))
    for name in ("web", "db"):
        lab.serve(name, lab.add_guest(), 80)
    yield lab
    lab.close()


def choose_flavour(flavour: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    multi = shutil.which(f"xtables-{flavour}-multi")
    if multi is None:
        pytest.skip(f"iptables-{flavour} is missing")
    programs = folder / "bin"
    programs.mkdir()
    for program in ("iptables", "iptables-save", "iptables-restore"):
        (programs / program).symlink_to(multi)
    monkeypatch.setenv("PATH", str(programs), prepend=":")


def choose_bridge_filter(lab_host: Namespace, value: str) -> None:
    switch = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    if not switch.exists():
        if value == "1":
            pytest.skip("the kernel module br_netfilter is missing")
        return
    with lab_host.inside():
        switch.write_text(value)


@pytest.mark.parametrize("bridge_filter", ["1", "0"])
@pytest.mark.parametrize("flavour", ["nft", "legacy"])
def test_all_eight_paths(
    netns: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flavour: str, bridge_filter: str
) -> None:
    choose_flavour(flavour, tmp_path, monkeypatch)
    choose_bridge_filter(netns, bridge_filter)
    lab = Lab(netns, tmp_path / "data")
    try:
        lab.sync(record_of("web", WEB, Forward(8080, 80)), record_of("db", DB))
        web, db = lab.add_guest(), lab.add_guest()
        lab.serve("web", web, 80)
        lab.serve("outside", lab.outside, 8080)
        assert ask(lab.host, LOCALHOST, 8080).split()[0] == "web"
        assert ask(lab.host, HOST, 8080).split()[0] == "web"
        assert ask(lab.outside, HOST, 8080) == f"web {OUTSIDE}"  # with the client's own address
        assert ask(db, GATEWAY, 8080).split()[0] == "web"
        assert ask(db, HOST, 8080).split()[0] == "web"
        assert ask(web, GATEWAY, 8080).split()[0] == "web"
        assert ask(web, HOST, 8080).split()[0] == "web"
        assert ask(db, OUTSIDE, 8080) == f"outside {HOST}"  # not caught, and masqueraded
        assert ask(db, WEB, 80) == f"web {DB}"
    finally:
        lab.close()


def test_without_a_forward_a_guest_is_out_of_reach_from_outside(lab: Lab) -> None:
    assert ask(lab.outside, HOST, 8080).startswith("web")
    lab.outside.run("ip", "route", "add", "172.16.0.0/16", "via", HOST)
    assert ask(lab.outside, WEB, 80, REFUSED_S) == "refused"
    assert ask(lab.outside, DB, 80, REFUSED_S) == "refused"


def test_guests_do_not_reach_what_listens_on_the_hosts_loopback(lab: Lab) -> None:
    lab.serve("secret", lab.host, 9999, bind=LOCALHOST)
    guest = lab.guests[1]
    guest.run("ip", "addr", "del", "127.0.0.1/8", "dev", "lo")
    guest.run("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1")
    guest.run("ip", "route", "add", "127.0.0.1/32", "via", GATEWAY)
    assert ask(lab.host, LOCALHOST, 9999) == f"secret {LOCALHOST}"
    assert ask(guest, LOCALHOST, 9999, REFUSED_S) == "refused"
    lab.host.run("iptables", "-t", "raw", "-F", "VMM-RAW")
    assert ask(guest, LOCALHOST, 9999).startswith("secret")  # the attack is real: only that rule stops it


def test_udp_forward(lab: Lab) -> None:
    lab.sync(record_of("web", WEB), record_of("db", DB, Forward(5353, 53, "udp")))
    lab.serve("dns", lab.guests[1], 53, udp=True)
    assert ask_udp(lab.host, LOCALHOST, 5353).startswith("dns")
    assert ask_udp(lab.outside, HOST, 5353) == f"dns {OUTSIDE}"
    assert ask_udp(lab.guests[0], GATEWAY, 5353).startswith("dns")
    assert ask(lab.host, LOCALHOST, 5353, REFUSED_S) == "refused"


def test_forward_bound_to_loopback_is_for_the_host_alone(lab: Lab) -> None:
    lab.sync(record_of("web", WEB, Forward(8080, 80, bind=LOCALHOST)), record_of("db", DB))
    assert ask(lab.host, LOCALHOST, 8080).startswith("web")
    for where, address in ((lab.host, HOST), (lab.outside, HOST), (lab.guests[1], GATEWAY)):
        assert ask(where, address, 8080, REFUSED_S) == "refused"


def test_forwards_of_one_port_with_different_addresses_live_together(lab: Lab) -> None:
    lab.sync(
        record_of("web", WEB, Forward(8080, 80)),
        record_of("db", DB, Forward(8080, 80, bind=LOCALHOST)),
    )
    assert ask(lab.host, LOCALHOST, 8080).startswith("db")
    assert ask(lab.outside, HOST, 8080).startswith("web")


def test_a_connection_survives_other_forwards_coming_and_going(lab: Lab) -> None:
    web, db = record_of("web", WEB, Forward(8080, 80)), record_of("db", DB)
    with connect(lab.outside, HOST, 8080) as far, connect(lab.host, LOCALHOST, 8080) as near:
        assert all(greets(connection, "web") for connection in (far, near))
        lab.sync(web, with_ports(db, Forward(7000, 80)))
        assert ask(lab.outside, HOST, 7000).startswith("db")
        assert all(echoes(connection) for connection in (far, near))
        lab.sync(web, db)
        assert ask(lab.outside, HOST, 7000, REFUSED_S) == "refused"
        assert all(echoes(connection) for connection in (far, near))


def test_a_stopped_vm_has_no_forward(lab: Lab) -> None:
    lab.sync(record_of("web", WEB, Forward(8080, 80), state="stopped"), record_of("db", DB))
    assert ask(lab.host, LOCALHOST, 8080, REFUSED_S) == "refused"
    lab.sync(record_of("web", WEB, Forward(8080, 80), state="starting"), record_of("db", DB))
    assert ask(lab.host, LOCALHOST, 8080).startswith("web")


def test_the_bridge_comes_back_with_the_same_mac_so_guests_keep_the_gateway(lab: Lab) -> None:
    assert ask(lab.guests[0], GATEWAY, 8080).startswith("web")
    lab.host.run("ip", "link", "delete", lab.settings.bridge_name)
    assert ask(lab.host, LOCALHOST, 8080, REFUSED_S) == "refused"
    lab.sync(record_of("web", WEB, Forward(8080, 80)), record_of("db", DB))
    lab.attach(0)
    lab.attach(1)
    assert ask(lab.host, LOCALHOST, 8080).startswith("web")
    assert ask(lab.guests[1], GATEWAY, 8080).startswith("web")


def greets(connection: socket.socket, name: str) -> bool:
    return connection.recv(4096).decode().startswith(name)


def echoes(connection: socket.socket) -> bool:
    connection.sendall(b"still there\n")
    return connection.recv(4096) == b"still there\n"
