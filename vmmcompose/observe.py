"""One look at the host: ask every door once and put the answers together. Read-only, decides nothing.

The two child processes (links and rules) run while files are read. What cannot be seen without root is
named in `unseen`.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from pathlib import PurePosixPath
from threading import Thread
from typing import Generic, TypeVar

from vmmcompose.drivers import CAPABILITIES
from vmmcompose.host import (
    iptables,
    kvm,
    netlink,
    process,
    procnet,
    records,
    sources,
    store,
    stored,
    sysctl,
    volumes,
)
from vmmcompose.host.access import is_root
from vmmcompose.model.desired import Desired
from vmmcompose.model.observed import (
    Disk,
    HostFacts,
    Image,
    Kernel,
    Link,
    MountImage,
    Observed,
    RuleSet,
    Source,
    VmProcess,
    VolumeImage,
)
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Record
from vmmcompose.model.settings import Settings
from vmmcompose.model.spec import host_name

MIB = 1024 * 1024
T = TypeVar("T")


class Answer(Thread, Generic[T]):
    """A question asked in the background; `get` waits and raises what it raised."""

    def __init__(self, question: Callable[[], T]) -> None:
        super().__init__(daemon=True)
        self._question = question
        self._value: T
        self._error: Exception | None = None
        self.start()

    def run(self) -> None:
        """The thread's body."""
        try:
            self._value = self._question()
        except Exception as error:  # noqa: BLE001 - handed to whoever asks
            self._error = error

    def get(self) -> T:
        """The answer."""
        self.join()
        if self._error is not None:
            raise self._error
        return self._value


def observe(settings: Settings, desired: Desired, paths: Paths, *, contents: bool = True) -> Observed:
    """Everything that bears on this project; without `contents` mounted folders are not looked into.

    Raises:
        HostError: the records cannot be read, or a tool failed.
        HostUnfit: a tool is missing.
    """
    links: Answer[dict[str, Link]] = Answer(netlink.read_links)
    rules: Answer[RuleSet | None] = Answer(lambda: iptables.read_rules(settings))
    listeners = Answer(procnet.listeners)
    known, unreadable = records.read_records(paths)
    names = {host_name(desired.project, vm.name) for vm in desired.vms}
    mine = [record for record in known if _is_meant(record, desired, names)]
    names |= {record.spec.name for record in mine}
    disks = {name: disk for name in sorted(names) if (disk := stored.read_disk(paths, name)) is not None}
    mounts = {
        (name, tag): image
        for name in sorted(names)
        for tag in stored.mount_tags(paths, name)
        if (image := stored.read_mount(paths, name, tag)) is not None
    }
    kernels = store.list_kernels(paths) | _kernels_by_path(desired)
    images = store.list_images(paths)
    observed = Observed(
        records=known,
        unreadable=unreadable,
        processes=tuple(process.scan(str(paths.sockets()))),
        disks=disks,
        mounts=mounts,
        volumes=volumes.read_volumes(paths, desired.project),
        images=images,
        kernels=kernels,
        sources=_sources(desired, contents=contents),
        filtered=_filtered(desired) if contents else {},
        leftovers=stored.leftovers(paths),
        folders=stored.folders(paths),
        foreign_images=_images_by_path(desired),
        host=_facts(settings, listeners),
    )
    seen = replace(observed, links=links.get(), rules=rules.get())
    return replace(seen, unseen=tuple(_unseen(seen, mine)))


def observe_recorded(settings: Settings, desired: Desired, paths: Paths) -> Observed:
    """What the records and the stores tell, without a look at the host: nothing is said of what was not looked at.

    Processes and disks are those that the records tell of, so that nothing counts as dead or missing.

    Raises:
        HostError: the records cannot be read.
    """
    known, unreadable = records.read_records(paths)
    usable, reason = kvm.kvm_usable()
    names = {host_name(desired.project, vm.name) for vm in desired.vms}
    mine = [record for record in known if _is_meant(record, desired, names)]
    started = [record for record in mine if record.started or record.state != "stopped"]
    sizes = {volume.name: volume.size_mib for volume in desired.volumes}
    seen = Observed(
        host=HostFacts(
            root=is_root(),
            binaries=_binaries(settings),
            kvm_usable=usable,
            kvm_reason=reason,
            nameservers=procnet.nameservers(),
        ),
        records=known,
        unreadable=unreadable,
        processes=tuple(
            VmProcess(record.spec.id, record.spec.driver, record.process)
            for record in known
            if record.process
        ),
        links=None,
        rules=None,
        disks={
            record.spec.name: Disk(record.spec.disk_mib * MIB, stored.read_disk_info(paths, record.spec.name))
            for record in started
        },
        mounts={
            (record.spec.name, mount.tag): MountImage(
                mount.source, mount.mode, "", mount.sync, mount.ignore, mount.owner
            )
            for record in started
            for mount in record.spec.mounts
        },
        volumes={
            one.volume: VolumeImage(sizes.get(one.volume, 0) * MIB)
            for record in started
            for one in record.spec.volumes
        },
        images=store.list_images(paths),
        kernels=store.list_kernels(paths) | _kernels_by_path(desired),
        sources=_sources(desired, contents=False),
        foreign_images=_images_by_path(desired),
        refreshed=False,
    )
    return replace(
        seen, unseen=("the host: --refresh=false compares with the records alone", *_unseen(seen, mine))
    )


def _is_meant(record: Record, desired: Desired, names: Collection[str]) -> bool:
    """Whether a record is of this project; of the single VMs only those asked about are."""
    return record.spec.project == desired.project and (bool(desired.project) or record.spec.name in names)


def renew(settings: Settings, observed: Observed, paths: Paths) -> Observed:
    """The same observation with everything looked at again that other projects change as well.

    Raises:
        HostError, HostUnfit: as `observe`.
    """
    links: Answer[dict[str, Link]] = Answer(netlink.read_links)
    rules: Answer[RuleSet | None] = Answer(lambda: iptables.read_rules(settings))
    known, unreadable = records.read_records(paths)
    host = replace(
        observed.host,
        ip_forward=sysctl.forwarding(),
        route_localnet=sysctl.route_localnet(settings.bridge_name),
        listeners=procnet.listeners(),
        networks=procnet.subnets_in_use(),
    )
    return replace(
        observed, host=host, records=known, unreadable=unreadable, links=links.get(), rules=rules.get()
    )


def _facts(settings: Settings, listeners: Answer[frozenset[tuple[str, str, int]]]) -> HostFacts:
    usable, reason = kvm.kvm_usable()
    return HostFacts(
        boot_id=process.boot_id(),
        root=is_root(),
        kvm_usable=usable,
        kvm_reason=reason,
        binaries=_binaries(settings),
        uplink=settings.host_interface or procnet.uplink(),
        nameservers=procnet.nameservers(),
        ip_forward=sysctl.forwarding(),
        route_localnet=sysctl.route_localnet(settings.bridge_name),
        networks=procnet.subnets_in_use(),
        listeners=listeners.get(),
    )


def _binaries(settings: Settings) -> dict[str, str]:
    found = {driver: kvm.find_binary(settings, driver) for driver in CAPABILITIES}
    return {driver: path for driver, path in found.items() if path}


def _sources(desired: Desired, *, contents: bool) -> dict[str, Source]:
    found: dict[str, Source] = {}
    for vm in desired.vms:
        for mount in vm.mounts:
            known = found.get(mount.source)
            digest = contents and not mount.ignore and (mount.mode == "ro" or mount.sync != "none")
            if known is None or (digest and not known.digest):
                found[mount.source] = sources.read_directory(mount.source, digest=digest)
        named = [key for key in vm.ssh_keys if key.startswith("/")]
        named += [file.source for file in vm.files if file.source]
        named += [script.source for script in vm.provision if script.source]
        found |= {path: sources.read_file(path) for path in named}
    return found


def _filtered(desired: Desired) -> dict[tuple[str, tuple[str, ...]], str]:
    wanted = {
        (mount.source, mount.ignore)
        for vm in desired.vms
        for mount in vm.mounts
        if mount.ignore and (mount.mode == "ro" or mount.sync != "none")
    }
    return {key: sources.read_filtered(*key) for key in sorted(wanted)}


def _images_by_path(desired: Desired) -> dict[str, Image]:
    named = {vm.image for vm in desired.vms if vm.image.startswith("/")}
    return {path: image for path in sorted(named) if (image := sources.read_image(path)) is not None}


def _kernels_by_path(desired: Desired) -> dict[str, Kernel]:
    """Kernels named by path; the name tells the form, as distributions call them."""
    named = sorted({vm.kernel for vm in desired.vms if vm.kernel.startswith("/")})
    found = {}
    for path in named:
        if sources.read_image(path) is not None:
            elf = "vmlinux" in PurePosixPath(path).name
            found[path] = Kernel(path, bzimage="" if elf else path, vmlinux=path if elf else "")
    return found


def _unseen(observed: Observed, mine: Iterable[Record]) -> list[str]:
    unseen = []
    if observed.rules is None and observed.refreshed:
        unseen.append("iptables rules: only root may list them")
    sealed = [record.spec.vm for record in mine if record.sealed]
    if sealed:
        unseen.append(f"env values and file contents of {', '.join(sealed)}: only root may read them")
    if not observed.host.root:
        hidden = sorted(path for path, source in observed.sources.items() if source.kind == "unreadable")
        unseen += [f"content of {path}: this user may not read it" for path in hidden]
    return unseen
