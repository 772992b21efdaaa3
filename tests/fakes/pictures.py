"""The project that the README draws: a database with a volume, three web replicas, a worker, and a VM of a profile."""

from vmmcompose.model.desired import (
    Attachment,
    Dependency,
    Desired,
    DesiredVm,
    Forward,
    Healthcheck,
    Mount,
    Volume,
)
from vmmcompose.render.graph import Graph, Seen, project_graph

SITE, JOBS = "/home/ada/shop/site", "/home/ada/shop/jobs"


def drawn_shop() -> Desired:
    """Of everything something."""
    db = DesiredVm(
        "db",
        "debian-12",
        cpus=2,
        memory_mib=1024,
        disk_mib=4096,
        healthcheck=Healthcheck(tcp=5432),
        volumes=(Attachment("pgdata", "/var/lib/postgresql"),),
    )
    worker = DesiredVm(
        "worker",
        "debian-12",
        depends_on=(Dependency("db", "provisioned"), Dependency("mailcatcher", required=False)),
        mounts=(Mount("jobs", JOBS),),
    )
    mail = DesiredVm(
        "mailcatcher",
        "tiny",
        memory_mib=128,
        disk_mib=64,
        ports=(Forward(1080, 1080, bind="127.0.0.1"),),
        profiles=("debug",),
    )
    vms = (db, *(_web(number) for number in (1, 2, 3)), worker)
    return Desired("shop", vms, "/home/ada/shop", (Volume("pgdata", 10240),), (mail,))


def _web(number: int) -> DesiredVm:
    return DesiredVm(
        f"web-{number}",
        "debian-12",
        mounts=(Mount("site", SITE, "ro"),),
        ports=(Forward(8079 + number, 80),),
        depends_on=(Dependency("db", "healthy"),),
        replica_of="web",
        replica=number,
    )


def shop_picture() -> Graph:
    """The README's picture: three of its VMs run, one was stopped by hand."""
    names = ("db", "web-1", "web-2", "web-3", "worker")
    seen = {name: Seen("running", f"172.16.0.{number}") for number, name in enumerate(names, 2)}
    seen["worker"] = Seen("stopped", "172.16.0.6")
    return project_graph(drawn_shop(), "network vmm-br0 · 172.16.0.0/16", seen)
