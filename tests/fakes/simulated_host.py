"""A host that exists only as values: it does to itself what a plan's actions would do to a real one.

For the planner's own tests: what a plan promises, and what every interruption of it leads to. What a real
kernel does with the same actions is shown by the tests in `tests/host` and `tests/e2e`.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from random import Random
from typing import assert_never

from simulated_disks import filtered, made_image, provisioned
from simulated_links import synced_links
from step_orders import in_another_order

from vmmcompose.model.actions import (
    Action,
    BuildMount,
    CreateDisk,
    CreateTap,
    CreateVolume,
    DeleteDisk,
    DeleteMount,
    DeleteTap,
    DeleteVm,
    DeleteVolume,
    GrowDisk,
    GrowVolume,
    PauseVm,
    RestoreDisks,
    ResumeVm,
    RunProvision,
    SetClock,
    StageDisks,
    StartVm,
    StopVm,
    SwapMount,
    SweepFile,
    SyncMount,
    SyncNetwork,
    UpdatePeers,
    WaitVm,
    WriteGuestFiles,
    WriteRecord,
)
from vmmcompose.model.desired import Desired, Mount, Provision
from vmmcompose.model.observed import (
    Disk,
    DiskInfo,
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
from vmmcompose.model.plan import Plan
from vmmcompose.model.record import NETWORKED, Process, Record
from vmmcompose.model.settings import Settings
from vmmcompose.model.spec import VmSpec
from vmmcompose.network.compare import tap_alias
from vmmcompose.network.rules import wanted_rules

MIB = 1024 * 1024
BOOT = "boot-1"


@dataclass
class SimulatedHost:
    """Mutable state with the same parts as `Observed`."""

    settings: Settings = field(default_factory=Settings)
    records: dict[str, Record] = field(default_factory=dict)
    processes: dict[str, VmProcess] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    rules: RuleSet = field(default_factory=RuleSet)
    disks: dict[str, Disk] = field(default_factory=dict)
    mounts: dict[tuple[str, str], MountImage] = field(default_factory=dict)
    volumes: dict[tuple[str, str], VolumeImage] = field(default_factory=dict)
    """By project and name."""
    held: dict[str, tuple[tuple[str, str, str], ...]] = field(default_factory=dict)
    """By the id of a running VM: (project, volume, mode) of what its VMM has open."""
    sources: dict[str, Source] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    leftovers: set[str] = field(default_factory=set)
    images: dict[str, Image] = field(
        default_factory=lambda: {
            name: Image(name, f"/images/{name}.ext4", 16 * MIB, f"digest-{name}")
            for name in ("tiny", "debian-12")
        }
    )
    facts: HostFacts = field(
        default_factory=lambda: HostFacts(
            boot_id=BOOT, binaries={"qemu": "/usr/bin/qemu-system-x86_64"}, nameservers=("9.9.9.9",)
        )
    )
    next_pid: int = 1000
    paused: set[str] = field(default_factory=set)
    """Ids of the VMs whose CPUs stand still."""

    def observe(self, desired: Desired | None = None) -> Observed:
        """What `observe` would see."""
        sources = dict(self.sources)
        for vm in desired.vms if desired else ():
            for mount in vm.mounts:
                sources.setdefault(mount.source, Source("directory", f"digest of {mount.source}"))
        return Observed(
            host=self.facts,
            records=tuple(record for _, record in sorted(self.records.items())),
            processes=tuple(self.processes.values()),
            links=dict(self.links),
            rules=self.rules,
            disks=dict(self.disks),
            mounts=dict(self.mounts),
            filtered=filtered(self.sources, desired),
            volumes={
                name: image
                for (project, name), image in self.volumes.items()
                if desired and project == desired.project
            },
            images=self.images,
            kernels={"default": Kernel("default", "/k/bzImage", "/k/vmlinux", "/k/initrd")},
            sources=sources,
            folders=frozenset(self.folders),
            leftovers=tuple(sorted(self.leftovers)),
        )

    def run(
        self,
        plan: Plan,
        *,
        stop_after: int | None = None,
        random: Random | None = None,
        fails: Collection[int] = (),
    ) -> frozenset[int]:
        """Does a plan's steps: intents first, then the rest; `stop_after` cuts it short. Gives the ids of those done.

        In the plan's order, or with `random` in any other that its edges allow. Those in `fails` come to nothing,
        and those that need them are skipped.
        """
        steps = sorted(plan.steps, key=lambda step: not step.is_intent)
        if random is not None:
            steps = in_another_order(steps, random)
        done: set[int] = set()
        lost: set[int] = set()
        for step in steps[:stop_after]:
            missing = step.before - done - lost
            assert not missing, f"step {step} runs before {missing}"
            skipped = step.after & lost
            (lost if skipped or step.id in fails else done).add(step.id)
            if step.id in done:
                self.do(step.action)
            elif not skipped and isinstance(step.action, WaitVm):
                name = step.action.spec.name
                self.records[name] = replace(self.records[name], health="unhealthy")
        return frozenset(done)

    def do(self, action: Action) -> None:  # noqa: C901, PLR0912, PLR0915 - one arm each
        """Does one action."""
        match action:
            case WriteRecord(record):
                self.records[record.spec.name] = record
                self.folders.add(record.spec.name)
            case SyncNetwork():
                self._sync()
            case CreateDisk():
                assert action.name not in self.disks, "a disk is never copied over another"
                self.disks[action.name] = Disk(
                    action.size_mib * MIB, DiskInfo(action.image, action.image_digest)
                )
            case GrowDisk():
                self.disks[action.name] = replace(self.disks[action.name], size_bytes=action.size_mib * MIB)
            case DeleteDisk():
                self.disks.pop(action.name, None)
            case WriteGuestFiles(spec, digest):
                assert spec.id not in self.processes, "files are never written to the disk of a running VM"
                disk = self.disks[spec.name]
                info = disk.info or DiskInfo(spec.image, "")
                self.disks[spec.name] = replace(disk, info=replace(info, files_digest=digest))
            case BuildMount(name, mount):
                self._build(name, mount)
            case SwapMount(spec, mount):
                self._assert_in_guest(spec, mount)
                assert mount.mode == "ro", "what a guest may write is never taken from under it"
                self._build(spec.name, mount)
            case SyncMount(spec, mount):
                self._assert_in_guest(spec, mount)
                assert mount.sync != "none"
                assert self.mounts[spec.name, mount.tag].source == mount.source
                self._build(spec.name, mount)
            case DeleteMount():
                self.mounts.pop((action.name, action.tag), None)
            case CreateVolume(project, volume, size_mib):
                assert (project, volume) not in self.volumes, "a volume is never made over another"
                self.volumes[project, volume] = VolumeImage(size_mib * MIB)
            case GrowVolume(project, volume, size_mib):
                self._assert_free(project, volume)
                assert self.volumes[project, volume].size_bytes < size_mib * MIB, "a volume never shrinks"
                self.volumes[project, volume] = VolumeImage(size_mib * MIB)
            case DeleteVolume(project, volume):
                self._assert_free(project, volume)
                self.volumes.pop((project, volume), None)
            case CreateTap(spec):
                assert self.settings.bridge_name in self.links, "a TAP needs its bridge"
                self.links[spec.tap] = Link(
                    spec.tap, "tun", tap_alias(spec.id), self.settings.bridge_name, up=True, hairpin=True
                )
            case DeleteTap():
                self.links.pop(action.tap, None)
            case StageDisks():
                assert action.name in self.folders
            case RestoreDisks(name, snapshot):
                spec = snapshot.record.spec
                assert spec.id not in self.processes, "a disk is never replaced under a running VM"
                self.disks[name] = Disk(spec.disk_mib * MIB, DiskInfo(spec.image, ""))
            case StartVm(spec):
                self._start(spec)
            case StopVm():
                self.paused.discard(action.vm_id)
                self.processes.pop(action.vm_id, None)
                if action.name in self.records:
                    record = self.records[action.name]
                    self.records[action.name] = replace(record, state=action.then, process=None, health="")
            case PauseVm(spec):
                assert self.records[spec.name].state == "paused", "the record says so first"
                self.paused.add(spec.id)
            case ResumeVm(spec):
                self.paused.discard(spec.id)
                self.records[spec.name] = replace(self.records[spec.name], state="running")
            case WaitVm(spec, _, until):
                record = self.records[spec.name]
                assert record.state == "running"
                if until == "ready":
                    self.records[spec.name] = replace(record, health="healthy")
            case RunProvision(spec, script):
                self._provision(spec, script)
            case SetClock(spec):
                assert spec.id in self.processes
            case UpdatePeers(spec):
                record = self.records[spec.name]
                self.records[spec.name] = replace(record, spec=replace(record.spec, peers=spec.peers))
            case DeleteVm(name, vm_id):
                assert vm_id not in self.processes, "nothing is deleted under a running VM"
                self.records.pop(name, None)
                self.disks.pop(name, None)
                self.folders.discard(name)
                self.mounts = {key: image for key, image in self.mounts.items() if key[0] != name}
            case SweepFile(path):
                self.leftovers.discard(path)
            case _:
                assert_never(action)

    def _build(self, name: str, mount: Mount) -> None:
        self.mounts[name, mount.tag] = made_image(self.sources, mount)

    def _assert_in_guest(self, spec: VmSpec, mount: Mount) -> None:
        assert spec.id in self.processes, "a mount is renewed in a running guest"
        assert spec.id not in self.paused
        assert (spec.name, mount.tag) in self.mounts, "there is a drive to renew"

    def open_volumes(self) -> list[tuple[str, str, str]]:
        """What the running VMs have open."""
        return [held for vm_id in self.processes for held in self.held.get(vm_id, ())]

    def _assert_free(self, project: str, volume: str) -> None:
        users = [held for held in self.open_volumes() if held[:2] == (project, volume)]
        assert not users, f"{volume} is changed under a running VM"

    def _start(self, spec: VmSpec) -> None:
        assert spec.id not in self.processes, "never two processes for one VM"
        assert spec.tap in self.links, "a VM needs its TAP"
        assert spec.name in self.disks, "a VM needs its disk"
        record = self.records[spec.name]
        assert all((spec.name, mount.tag) in self.mounts for mount in record.spec.mounts)
        for one in spec.volumes:
            assert (spec.project, one.volume) in self.volumes, "a VM needs its volumes"
            modes = [held[2] for held in self.open_volumes() if held[:2] == (spec.project, one.volume)]
            assert "rw" not in modes, "never two VMs with one volume that one of them writes to"
            assert not modes or one.mode == "ro"
        self.next_pid += 1
        process = Process(self.next_pid, self.next_pid * 7, BOOT)
        self.processes[spec.id] = VmProcess(spec.id, spec.driver, process)
        self.held[spec.id] = tuple((spec.project, one.volume, one.mode) for one in spec.volumes)
        self.records[spec.name] = replace(record, state="running", process=process, health="")

    def _provision(self, spec: VmSpec, script: Provision) -> None:
        assert spec.id in self.processes, "a script runs in a running guest"
        assert spec.id not in self.paused
        self.disks[spec.name] = provisioned(self.disks[spec.name], spec, script)

    def _sync(self) -> None:
        active = [record for record in self.records.values() if record.state in NETWORKED]
        self.rules = wanted_rules(active, self.settings)
        self.links = synced_links(self.links, self.settings, wanted=bool(active))
        forwarding = self.facts.ip_forward or bool(active)
        self.facts = replace(self.facts, ip_forward=forwarding, route_localnet=bool(active))
