"""A complete spec of one VM, for tests of what is made from it."""

from vmmcompose.model.peers import peers_of
from vmmcompose.model.spec import VmSpec

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
    memory_mib=64,
    disk_mib=64,
    hostname="front",
    ip="172.16.0.2",
    prefix_len=16,
    gateway="172.16.0.1",
    mac="06:00:ac:10:00:02",
    tap="vmm-0123456789a",
    resolvers=("127.0.0.53", "9.9.9.9"),
    peers=peers_of([("db", "172.16.0.3"), ("web", "172.16.0.2")]),
)
