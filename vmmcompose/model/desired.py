"""What a manifest asks for, complete: nothing is left to default or to look up in the file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Power = Literal["running", "paused", "stopped", "absent"]
Condition = Literal["started", "healthy", "provisioned"]
Restart = Literal["no", "on-failure", "always"]
Sync = Literal["none", "push", "two-way"]
WatchAction = Literal["sync", "run", "restart", "rebuild"]
Protocol = Literal["tcp", "udp"]

CPUS = (1, 32)
MEMORY_MIB = (32, 4 << 20)
DISK_MIB = (1, 16 << 20)
"""Least and most of each; 16 TiB is where ext4 with its usual blocks ends."""


@dataclass(frozen=True, slots=True, order=True)
class Mount:
    """A host directory in the guest, as an ext4 image."""

    tag: str
    source: str
    """Absolute host path."""
    mode: Literal["ro", "rw"] = "rw"
    sync: Sync = "none"
    """Whether changes go over while the VM runs: not at all, to the guest, or both ways."""
    ignore: tuple[str, ...] = ()
    """What is left out, in gitignore's patterns, beside those of the folder's `.vmmignore`."""
    owner: str = ""
    """`UID:GID` that everything gets in the guest; empty keeps the host's."""
    target: str = ""
    """Absolute guest path; empty means `/mnt/<tag>`. `place` is either."""

    @property
    def place(self) -> str:
        """Where the guest has it."""
        return self.target or f"/mnt/{self.tag}"


@dataclass(frozen=True, slots=True, order=True)
class Forward:
    """A host port that leads to a guest port. An empty `bind` means every address of the host."""

    host: int
    guest: int
    protocol: Protocol = "tcp"
    bind: str = ""

    @property
    def entry(self) -> str:
        """What names it among its VM's: `*:8080/tcp`, with its bind address `127.0.0.1:8080/tcp`."""
        return f"{self.bind or '*'}:{self.host}/{self.protocol}"


@dataclass(frozen=True, slots=True, order=True)
class Volume:
    """A named disk of a project, which outlives the VMs that use it."""

    name: str
    size_mib: int = 1024
    """0 means the size it has: nobody said another."""


@dataclass(frozen=True, slots=True, order=True)
class Attachment:
    """A volume in a VM, mounted at `target`."""

    volume: str
    target: str
    """Absolute guest path."""
    mode: Literal["ro", "rw"] = "rw"


@dataclass(frozen=True, slots=True)
class Provision:
    """A script that is run in the guest after the first boot of a disk, once per content."""

    name: str
    content: str = ""
    source: str = ""
    """Absolute path of the host file that holds it; empty where the manifest does itself."""


@dataclass(frozen=True, slots=True)
class WatchRule:
    """What `vmm watch` does about a VM when something of the host changes."""

    path: str
    """Absolute host path of a file or a directory."""
    action: WatchAction
    target: str = ""
    """Absolute guest path that it is carried to; empty where nothing is carried."""
    ignore: tuple[str, ...] = ()
    """What does not count, in gitignore's patterns, beside those of the directory's `.vmmignore`."""
    command: tuple[str, ...] = ()
    """What `run` runs in the guest."""


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """How a VM shows that it is ready; exactly one of `tcp`, `http`, `command` is set. Times in seconds."""

    tcp: int | None = None
    http: str | None = None
    """`PORT/path`, e.g. `80/healthz`; any 2xx or 3xx answer is healthy."""
    command: tuple[str, ...] = ()
    """Run in the guest over SSH; exit 0 is healthy."""
    interval_s: float = 2.0
    timeout_s: float = 60.0


@dataclass(frozen=True, slots=True, order=True)
class Dependency:
    """This VM starts only after `vm` has reached `condition`."""

    vm: str
    condition: Condition = "started"
    required: bool = True
    """Whether it starts at all where `vm` does not get there."""


@dataclass(frozen=True, slots=True, order=True)
class GuestFile:
    """A file the manifest puts into the guest: literal `content`, or the bytes of the host file `source`."""

    path: str
    content: str = ""
    source: str = ""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class DesiredVm:
    """One VM as the manifest wants it. Tuples are sorted where order means nothing."""

    name: str
    """The short name, unique in its project."""
    image: str
    kernel: str = "default"
    boot_args: str = ""
    cpus: int = 1
    memory_mib: int = 512
    disk_mib: int = 1024
    hypervisor: str = "auto"
    ssh_keys: tuple[str, ...] = ()
    """Public key lines, or absolute paths of public key files."""
    dns: tuple[str, ...] = ()
    """Name servers; empty means the host's own."""
    hostname: str = ""
    ip: str = ""
    """A pinned address; empty means the next free one."""
    mounts: tuple[Mount, ...] = ()
    ports: tuple[Forward, ...] = ()
    depends_on: tuple[Dependency, ...] = ()
    healthcheck: Healthcheck | None = None
    labels: tuple[tuple[str, str], ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    files: tuple[GuestFile, ...] = ()
    added_ports: tuple[Forward, ...] | None = None
    """Forwards added by hand, beside the declared ones; None keeps those that the record has."""
    power: Power = "running"
    volumes: tuple[Attachment, ...] = ()
    provision: tuple[Provision, ...] = ()
    """In the order they are run."""
    restart: Restart = "always"
    """What ends a VM that nobody stopped is mended: never, after a failure, always."""
    stop_grace_s: float = 30.0
    """How long the guest may take to shut down before its process is ended."""
    prevent_delete: bool = False
    """Whether everything that would lose the VM's disk is refused."""
    profiles: tuple[str, ...] = ()
    """The VM is there only when one of them is chosen; empty means always."""
    replica_of: str = ""
    """The manifest's name of a VM with `replicas`; empty for one without."""
    replica: int = 0
    """Its number among them, from 1."""
    max_unavailable: int = 1
    """How many of the replicas may be away at once while they are restarted."""
    watch: tuple[WatchRule, ...] = ()
    """In the order of the manifest. No part of what is applied: only `vmm watch` reads them."""


KEYS: Mapping[str, str] = {
    "memory_mib": "memory",
    "disk_mib": "disk",
    "stop_grace_s": "stop_grace_period",
    "prevent_delete": "lifecycle.prevent_delete",
    "max_unavailable": "update.max_unavailable",
}
"""Keys of the manifest that are called otherwise than the fields of `DesiredVm`."""


@dataclass(frozen=True, slots=True)
class Desired:
    """A project: its VMs, sorted by name, replicas by number. Without a name: single VMs, which no manifest names."""

    project: str
    vms: tuple[DesiredVm, ...] = ()
    base_dir: str = "/"
    volumes: tuple[Volume, ...] = ()
    """Its volumes, sorted by name."""
    inactive: tuple[DesiredVm, ...] = ()
    """VMs whose profiles are not chosen: left as they are, and no orphans."""
    replicas: tuple[tuple[str, int], ...] = ()
    """(name, how many) of each VM with `replicas` that is not inactive, sorted: also where there are none of it."""
