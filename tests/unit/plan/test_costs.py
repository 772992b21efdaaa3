"""Every field of a spec has a cost or a reason why it is not compared."""

from dataclasses import fields, replace
from typing import Any

import pytest

from vmmcompose.model.desired import Attachment, Dependency, Forward, GuestFile, Healthcheck, Mount, Provision
from vmmcompose.model.peers import peers_of
from vmmcompose.model.spec import VmSpec
from vmmcompose.plan.costs import COSTS, Difference, diff_specs, show_forward, worst

SPEC = VmSpec(
    name="shop-web",
    id="0123456789ab",
    project="shop",
    vm="web",
    driver="qemu",
    image="tiny",
    kernel="default",
    boot_args="",
    cpus=1,
    memory_mib=128,
    disk_mib=64,
    hostname="web",
    ip="172.16.0.2",
    prefix_len=16,
    gateway="172.16.0.1",
    mac="06:00:ac:10:00:02",
    tap="vmm-0123456789a",
)
NOT_COMPARED = {
    "name": "what makes it this VM",
    "id": "what makes it this VM",
    "project": "what makes it this VM",
    "vm": "what makes it this VM",
    "resolvers": "the host's own, which change with its network",
}
OTHERS: dict[str, Any] = {
    "ports": (Forward(8080, 80),),
    "added_ports": (Forward(9090, 90),),
    "labels": (("tier", "front"),),
    "healthcheck": Healthcheck(tcp=80),
    "depends_on": (Dependency("db"),),
    "peers": peers_of([("db", "172.16.0.3")]),
    "ssh_keys": ("ssh-ed25519 AAAA me",),
    "dns": ("9.9.9.9",),
    "mounts": (Mount("site", "/srv/site"),),
    "env": (("PASSWORD", "swordfish"),),
    "files": (GuestFile("/etc/motd", "swordfish"),),
    "volumes": (Attachment("data", "/var/lib/data"),),
    "provision": (Provision("install", "echo swordfish"),),
    "stop_grace_s": 90.0,
}


def changed(name: str) -> VmSpec:
    value = getattr(SPEC, name)
    other = OTHERS.get(name, value + 1 if isinstance(value, int) else f"{value}x")
    return replace(SPEC, **{name: other})


def test_no_field_is_forgotten() -> None:
    names = {field.name for field in fields(VmSpec)}
    assert names == COSTS.keys() | NOT_COMPARED.keys()
    assert not COSTS.keys() & NOT_COMPARED.keys()


@pytest.mark.parametrize("name", sorted(COSTS))
def test_a_changed_field_is_named_with_its_cost(name: str) -> None:
    (difference,) = diff_specs(SPEC, changed(name))
    assert (difference.field, difference.cost) == (name, COSTS[name])
    assert difference.reasons
    assert all(reason.old != reason.new or reason.why for reason in difference.reasons)


@pytest.mark.parametrize("name", sorted(NOT_COMPARED))
def test_the_others_cost_nothing(name: str) -> None:
    assert (
        diff_specs(SPEC, changed(name) if name != "resolvers" else replace(SPEC, resolvers=("1.1.1.1",)))
        == ()
    )


@pytest.mark.parametrize("name", ["env", "files", "provision"])
def test_secrets_are_not_shown_and_not_compared_where_they_were_not_seen(name: str) -> None:
    new = changed(name)
    longer = replace(SPEC, env=(("PASSWORD", "hunter2"),), files=(GuestFile("/etc/motd", "hunter2"),))
    longer = replace(longer, provision=(Provision("install", "echo hunter2"),))
    for old in (SPEC, longer):
        text = repr(diff_specs(old, new)) + repr(diff_specs(new, old))
        assert "swordfish" not in text
        assert "hunter2" not in text
    assert diff_specs(SPEC, new, sealed=True) == ()


def test_the_dearest_cost_counts() -> None:
    costs = [Difference(cost, cost, ()) for cost in ("live", "restart", "replace")]
    assert [worst(costs[:count]) for count in range(4)] == [None, "live", "restart", "replace"]


def test_the_order_of_name_servers_and_keys_is_a_difference() -> None:
    old, new = replace(SPEC, dns=("1.1.1.1", "9.9.9.9")), replace(SPEC, dns=("9.9.9.9", "1.1.1.1"))
    (difference,) = diff_specs(old, new)
    assert [reason.why for reason in difference.reasons] == ["order changed"]


def test_a_healthcheck_that_reads_the_same_and_is_another_has_changed() -> None:
    old, new = (replace(SPEC, healthcheck=Healthcheck(command=("sh", "-c", word))) for word in ("a", "b"))
    (difference,) = diff_specs(old, new)
    assert [(reason.field, reason.why) for reason in difference.reasons] == [("healthcheck", "changed")]


def test_forwards_in_words() -> None:
    assert show_forward(Forward(8080, 80)) == "8080->80"
    assert show_forward(Forward(53, 5353, "udp", "127.0.0.1")) == "127.0.0.1:53->5353/udp"
