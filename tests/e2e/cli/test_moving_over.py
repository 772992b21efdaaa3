"""What docs/from-baremetalvmm.md says about the old tool's network is what happens, word by word."""

import json
import re
from pathlib import Path

import pytest
from lab import Lab
from old_records import old_record

pytestmark = pytest.mark.root
PAGE = (Path(__file__).parents[3] / "docs" / "from-baremetalvmm.md").read_text()
OTHERS = """
ip link add docker0 type bridge
iptables -A FORWARD -i docker0 -j ACCEPT
iptables -t nat -A PREROUTING -p tcp --dport 5432 -j DNAT --to-destination 192.168.9.2:5432
iptables -t nat -A POSTROUTING -s 192.168.9.0/24 ! -o docker0 -j MASQUERADE
"""
OLD = """
ip link add vmm-br0 type bridge
ip addr add 172.16.0.1/16 dev vmm-br0
ip link set vmm-br0 up
ip tuntap add dev vmm-4f9c21 mode tap
ip link set vmm-4f9c21 master vmm-br0
ip tuntap add dev vmm-77aa00 mode tap
ip link set vmm-77aa00 master vmm-br0
iptables -t nat -A POSTROUTING -s 172.16.0.0/16 ! -o vmm-br0 -j MASQUERADE
iptables -A FORWARD -i vmm-br0 -o eth0 -j ACCEPT
iptables -A FORWARD -i eth0 -o vmm-br0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 172.16.0.2:80
iptables -t nat -A PREROUTING -p udp --dport 53 -j DNAT --to-destination 172.16.0.3:53
"""
"""What its `internal/network` does for two VMs with a forward each."""


def test_its_network_is_refused_and_can_be_removed_as_the_page_says(stand_in: Lab) -> None:
    lab = stand_in
    lab.run("sh", "-ec", OTHERS)
    others = lab.traces()
    lab.run("sh", "-ec", OLD)
    done = lab.vmm("create", "mine", code=1)
    assert "link vmm-br0 exists already and is not this vmm's bridge" in done.stderr

    folder, record = lab.root / "code", lab.data / "vms" / "theirs.json"
    folder.mkdir()
    old_record(lab, "theirs")
    (lab.data / "vms" / "theirs.ext4").write_bytes(
        (lab.data / "images" / "rootfs" / "small.ext4").read_bytes()
    )
    before = record.read_bytes()
    assert "link vmm-br0 exists already" in lab.vmm("adopt", code=1).stderr
    assert record.read_bytes() == before
    assert [row["name"] for row in json.loads(lab.vmm("list", "--json").stdout)["vms"]] == []

    (recipe,) = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    commands = lab.run("sh", "-ec", recipe).stdout
    assert len(commands.splitlines()) == 5
    lab.run("sh", "-ec", commands)
    left = lab.traces()
    assert (left["links"], left["rules"]) == (others["links"], others["rules"])

    lab.vmm("create", "mine")
    assert lab.vmm("adopt").stdout == "theirs\n"
    lab.vmm("start", "--no-wait", "mine", "theirs")
    rows = json.loads(lab.vmm("list", "--json").stdout)["vms"]
    assert [(row["name"], row["state"], row["ip"]) for row in rows] == [
        ("mine", "running", "172.16.0.2"),
        ("theirs", "running", "172.16.0.9"),
    ]
    lab.vmm("delete", "--force", "mine", "theirs")
    assert lab.traces()["rules"] == others["rules"]
