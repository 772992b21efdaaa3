"""A VM with every choice made: what a record keeps, a driver starts and a guest's files are made from."""

from dataclasses import dataclass

from vmmcompose.model.desired import (
    Attachment,
    Dependency,
    Forward,
    GuestFile,
    Healthcheck,
    Mount,
    Provision,
    Restart,
)
from vmmcompose.model.peers import NOBODY, Peers


@dataclass(frozen=True, slots=True)
class VmSpec:
    """The whole applied specification. `plan.costs` says what a difference in each field costs."""

    name: str
    """The name on the host, see `host_name`."""
    id: str
    """12 hex digits, unique on the host: in TAP names, rule comments and the VMM's arguments."""
    project: str
    """Empty for a single VM, which no manifest names."""
    vm: str
    """The short name in its project; a single VM has only this one."""
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
    """Forwards as declared."""
    added_ports: tuple[Forward, ...] = ()
    """Forwards added by hand (`vmm port-forward add`), kept apart so that a manifest does not undo them."""
    depends_on: tuple[Dependency, ...] = ()
    healthcheck: Healthcheck | None = None
    labels: tuple[tuple[str, str], ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    files: tuple[GuestFile, ...] = ()
    """With `content` filled in and `source` kept only as its origin."""
    peers: Peers = NOBODY
    """Every VM of the project, itself included."""
    volumes: tuple[Attachment, ...] = ()
    provision: tuple[Provision, ...] = ()
    """With `content` filled in and `source` kept only as its origin."""
    restart: Restart = "always"
    stop_grace_s: float = 30.0
    prevent_delete: bool = False
    replica_of: str = ""
    replica: int = 0
    max_unavailable: int = 1

    @property
    def forwards(self) -> tuple[Forward, ...]:
        """All forwards in force: those declared and those added by hand."""
        return self.ports + self.added_ports


def host_name(project: str, vm: str) -> str:
    """A VM's name on the host: `<project>-<vm>`; a single VM's is its own."""
    return f"{project}-{vm}" if project else vm


def project_words(project: str) -> str:
    """A project in a message."""
    return f"project {project}" if project else "no project"
