"""A VM with every choice made: what a record keeps, a driver starts and a guest's files are made from."""

from dataclasses import dataclass

from vmmcompose.model.desired import Dependency, Forward, GuestFile, Healthcheck, Mount


@dataclass(frozen=True, slots=True)
class VmSpec:
    """The whole applied specification. `plan.costs` says what a difference in each field costs."""

    name: str
    """The name on the host, `<project>-<vm>`."""
    id: str
    """12 hex digits, unique on the host: in TAP names, rule comments and the VMM's arguments."""
    project: str
    vm: str
    """The short name in its project."""
    driver: str
    image: str
    kernel: str
    boot_args: str
    cpus: int
    memory_mib: int
    disk_mib: int
    hostname: str
    ip: str
    prefix_len: int
    gateway: str
    mac: str
    tap: str
    ssh_keys: tuple[str, ...] = ()
    """Public key lines of the user's; the managed key is always added to them."""
    dns: tuple[str, ...] = ()
    """Name servers as declared; empty means `resolvers`."""
    resolvers: tuple[str, ...] = ()
    """The host's name servers when this was planned; never compared."""
    mounts: tuple[Mount, ...] = ()
    ports: tuple[Forward, ...] = ()
    depends_on: tuple[Dependency, ...] = ()
    healthcheck: Healthcheck | None = None
    labels: tuple[tuple[str, str], ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    files: tuple[GuestFile, ...] = ()
    """With `content` filled in and `source` kept only as its origin."""
    peers: tuple[tuple[str, str], ...] = ()
    """(short name, address) of every VM of the project, sorted, itself included."""
