"""What the host shows. Every part that could not be seen is `None` or named in `unseen`, never guessed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from vmmcompose.model.record import Process, Record, UnreadableRecord


@dataclass(frozen=True, slots=True)
class Link:
    """A network link of this namespace."""

    name: str
    kind: str
    """`bridge`, `tun`, … as the kernel calls it."""
    alias: str = ""
    """The ifalias; ours start with `vmm:`."""
    master: str = ""
    mac: str = ""
    up: bool = False
    hairpin: bool = False
    addresses: tuple[str, ...] = ()
    """IPv4 with prefix length, `172.16.0.1/16`."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One iptables rule in `iptables-save` spelling, without the `-A CHAIN`."""

    table: str
    chain: str
    text: str


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Our chains, their whole content in order, and the jumps to them.

    Observed sets hold only what is ours: chains of our names and rules that jump to them.
    """

    chains: tuple[tuple[str, str], ...] = ()
    """(table, chain) of our own chains, sorted."""
    rules: tuple[Rule, ...] = ()
    """Rules in our chains, in order of table, chain and position."""
    jumps: tuple[Rule, ...] = ()
    """Rules of built-in chains that lead to ours, in the order seen."""
    forward_first: bool = True
    """Whether our jump stands first in filter FORWARD."""


@dataclass(frozen=True, slots=True)
class VmProcess:
    """A VMM process that carries one of our ids, found in /proc."""

    vm_id: str
    driver: str
    process: Process


@dataclass(frozen=True, slots=True)
class DiskInfo:
    """The sidecar of a root disk."""

    image: str
    image_digest: str
    files_digest: str = ""
    """Digest of the files last written to the disk; differs while a write is under way."""
    provisioned: tuple[str, ...] = ()
    """Digests of the provision scripts that have been run in a guest on this disk."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A root disk on the host; `info` is None where its sidecar is missing or unreadable."""

    size_bytes: int
    info: DiskInfo | None = None
    fault: str = ""
    """Why no VM can use it: it is cut short, or no file system. Empty as well where this user may not look."""


@dataclass(frozen=True, slots=True)
class VolumeImage:
    """A volume on the host; `fault` as a root disk's."""

    size_bytes: int
    fault: str = ""


@dataclass(frozen=True, slots=True)
class MountImage:
    """A mount's image on the host, made from `source` when that had `digest`; all empty where nobody can tell.

    One that is kept in step has what it was last in step with.
    """

    source: str
    mode: str
    digest: str
    sync: str = "none"
    ignore: tuple[str, ...] = ()
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A host path the manifest names, as it is now."""

    kind: Literal["directory", "file", "missing", "unreadable", "other"]
    digest: str = ""
    """Of a directory: its paths, modes, sizes, times and link targets. Of a file: its content."""
    text: str = ""
    """A small file's content, decoded as UTF-8 with surrogateescape."""


@dataclass(frozen=True, slots=True)
class Image:
    """A root filesystem in the image store."""

    name: str
    path: str
    size_bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel in the store; a path is empty where that form is missing."""

    name: str
    bzimage: str = ""
    vmlinux: str = ""
    initrd: str = ""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """The host itself."""

    boot_id: str = ""
    root: bool = True
    kvm_usable: bool = False
    kvm_reason: str = ""
    """Why KVM is not usable, for people."""
    binaries: Mapping[str, str] = field(default_factory=dict)
    """Driver name to the path of its program, where found."""
    uplink: str = ""
    nameservers: tuple[str, ...] = ()
    ip_forward: bool = False
    route_localnet: bool = False
    listeners: frozenset[tuple[str, str, int]] = frozenset()
    """(protocol, address, port) of listening sockets; `0.0.0.0` for every address."""
    networks: tuple[tuple[str, str], ...] = ()
    """(network, interface) of the host's routes, the default route left out."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One look at the host."""

    host: HostFacts = field(default_factory=HostFacts)
    records: tuple[Record, ...] = ()
    unreadable: tuple[UnreadableRecord, ...] = ()
    processes: tuple[VmProcess, ...] = ()
    links: Mapping[str, Link] | None = field(default_factory=dict)
    rules: RuleSet | None = field(default_factory=RuleSet)
    """None when it takes root to see them and there is none."""
    disks: Mapping[str, Disk] = field(default_factory=dict)
    """By the VM's name on the host."""
    mounts: Mapping[tuple[str, str], MountImage] = field(default_factory=dict)
    """By the VM's name on the host and the tag."""
    volumes: Mapping[str, VolumeImage] = field(default_factory=dict)
    """This project's, by name."""
    images: Mapping[str, Image] = field(default_factory=dict)
    kernels: Mapping[str, Kernel] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    filtered: Mapping[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)
    """By a mounted folder's path and what a mount ignores of it: the digest of the rest."""
    leftovers: tuple[str, ...] = ()
    """Temporary files below the data folder that an interrupted command left, as absolute paths."""
    folders: frozenset[str] = frozenset()
    """Names below vms/, mounts/, logs/ and snapshots/ that have a folder, whether or not they have a record."""
    foreign_images: Mapping[str, Image] = field(default_factory=dict)
    """Images named by a path in the manifest, by that path."""
    refreshed: bool = True
    """False where only records and the manifest's own files were read: processes and disks are then those that the
    records tell of, links and rules None, and nothing says what there is beside."""
    unseen: tuple[str, ...] = ()
    """What could not be seen and why, for people."""
