"""Forty single VMs on subnets of random size and place: addresses that are each one VM's, for its whole life.

Firecracker's stand-in runs them: what counts here is what `vmm` decides and does, not how a guest boots.
"""

import json
import random
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from lab import Lab

from vmmcompose.host.process import scan, signal_process, wait_gone

pytestmark = pytest.mark.root
SMALLEST = 13
"""VMs that a /28 has room for: 14 host addresses, one of them the gateway's."""


def listed(lab: Lab) -> dict[str, dict[str, Any]]:
    """What `vmm list` says of each VM."""
    return {row["name"]: row for row in json.loads(lab.vmm("list", "--json").stdout)["vms"]}


def create(lab: Lab, names: Sequence[str]) -> None:
    """Creates VMs, three at a time, as impatient users do."""
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda name: lab.vmm("create", name), names))


def addresses_are_good(lab: Lab, network: IPv4Network, gateway: str) -> dict[str, str]:
    """Every VM's address, once it is sure that each may be and none is there twice."""
    rows = listed(lab)
    addresses = {name: str(row["ip"]) for name, row in rows.items()}
    assert len(set(addresses.values())) == len(addresses), addresses
    for address in addresses.values():
        assert IPv4Address(address) in network
        assert address not in (str(network[0]), str(network[-1]), gateway)
    macs = {json.loads((lab.data / "vms" / f"{name}.json").read_text())["spec"]["mac"] for name in rows}
    assert len(macs) == len(rows)
    return addresses


@pytest.mark.parametrize(("prefix", "count"), [(28, SMALLEST), (None, 13), (16, 14)])
def test_no_address_twice_and_none_moves(stand_in: Lab, prefix: int | None, count: int) -> None:
    lab = stand_in
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    network = IPv4Network((dice.randrange(10 << 24, 11 << 24), prefix or dice.randint(17, 27)), strict=False)
    gateway = str(network[dice.randint(1, network.num_addresses - 2)])
    lab.env |= {"VMM_SUBNET": str(network), "VMM_GATEWAY": gateway}
    before = lab.traces()
    names = [f"vm{number}" for number in range(count)]

    create(lab, names)
    first = addresses_are_good(lab, network, gateway)
    assert sorted(first) == sorted(names)
    lab.vmm("start", "--no-wait", *names)
    assert {row["state"] for row in listed(lab).values()} == {"running"}
    if prefix == 28:
        the_end_is_said(lab, network)

    dice.shuffle(names)
    lab.vmm("restart", "--no-wait", *names[:4])
    lab.vmm("stop", *names[3:7])
    killed = next(found for found in scan(str(lab.data / "sockets")))
    signal_process(killed.process, signal.SIGKILL)
    wait_gone(killed.process, 10)
    lab.vmm("delete", "--force", *names[7:9])
    create(lab, ["late", "later"])
    lab.vmm("start", "--no-wait", "late", "later", *names[:7], *names[9:])
    rows = listed(lab)
    assert {row["state"] for row in rows.values()} == {"running"}
    assert len({row["pid"] for row in rows.values()}) == count
    now = addresses_are_good(lab, network, gateway)
    assert {name: now[name] for name in names if name in now} == {
        name: first[name] for name in names[:7] + names[9:]
    }
    lab.vmm("delete", "--force", *rows)
    assert lab.traces() == before


def the_end_is_said(lab: Lab, network: IPv4Network) -> None:
    """A full subnet refuses one more VM in words, and changes nothing."""
    before = listed(lab)
    done = lab.vmm("create", "one-more", code=None)
    assert done.returncode == 1
    assert f"no free address in {network} for one-more" in done.stderr
    assert "delete VMs that are not needed, or set a larger `subnet`" in done.stderr
    assert sorted(listed(lab)) == sorted(before)
