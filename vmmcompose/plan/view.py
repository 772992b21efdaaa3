"""What the host shows of one VM, gathered from the whole observation."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from vmmcompose.model.capabilities import Capabilities
from vmmcompose.model.desired import Desired, Mount
from vmmcompose.model.observed import Disk, MountImage, Observed
from vmmcompose.model.plan import Reason
from vmmcompose.model.record import Process, Record
from vmmcompose.network.compare import is_our_tap

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class VmView:
    """One VM on the host: its record, its process if it lives, its disk."""

    name: str
    record: Record | None
    process: Process | None
    """The living process that carries the VM's id, whether or not the record knows it."""
    driver: str
    disk: Disk | None

    @property
    def alive(self) -> bool:
        """Whether a VMM runs."""
        return self.process is not None

    @property
    def stray(self) -> bool:
        """Whether the running process is not the one the record names."""
        return self.process is not None and (self.record is None or self.record.process != self.process)

    @property
    def new(self) -> bool:
        """Whether it was created and never started: what it does not have yet is not missing."""
        record = self.record
        return record is not None and record.state == "stopped" and not record.started and self.disk is None

    @property
    def interrupted(self) -> bool:
        """Whether the record holds an intent that nobody brought to an end."""
        return self.record is not None and self.record.state not in ("running", "paused", "stopped")


@dataclass(frozen=True, slots=True)
class Index:
    """An observation with its lists turned into look-ups, so that planning n VMs takes n steps."""

    observed: Observed
    processes: Mapping[str, tuple[Process, str]]
    records: Mapping[str, Record]
    """By the name on the host."""
    mounts: Mapping[str, Mapping[str, MountImage]]
    """By the name on the host and the tag."""
    volume_sizes: Mapping[str, int] = field(default_factory=dict)
    """MiB that the project's volumes are to have, by name; 0 for the size they have."""
    capabilities: Mapping[str, Capabilities] = field(default_factory=dict)

    def view(self, name: str, vm_id: str, driver: str) -> VmView:
        """The VM called `name` on the host."""
        process, seen_driver = self.processes.get(vm_id, (None, driver))
        return VmView(name, self.records.get(name), process, seen_driver, self.observed.disks.get(name))

    def has_tap(self, tap: str) -> bool:
        """Whether the link is there; unseen links count as there, for nothing is guessed."""
        return self.observed.links is None or tap in self.observed.links

    def has_our_tap(self, tap: str) -> bool:
        """Whether the link is there and may be deleted: a stranger's of that name is left alone."""
        link = (self.observed.links or {}).get(tap)
        return link is not None and is_our_tap(link)

    def mount_reason(self, name: str, mount: Mount) -> str:
        """Why a mount's image has to be built, in words; empty where it has not."""
        image = self.mounts.get(name, {}).get(mount.tag)
        if image is None:
            return "its image is missing"
        if not image.source:
            return "what its image was made from cannot be read"
        if (image.source, image.mode) != (mount.source, mount.mode):
            return "it was made from another folder or mode"
        if mount.mode == "ro" and (image.ignore, image.owner) != (mount.ignore, mount.owner):
            return "it was made with another `ignore` or `owner`"
        if mount.mode == "ro" and self._changed(mount, image):
            return "the folder's content changed"
        return ""

    def sync_reason(self, image: MountImage, mount: Mount, ways: AbstractSet[str]) -> str:
        """Why a mount that is kept in step has to be compared with its folder; empty where it has not.

        `ways` are those in which it was kept until now.
        """
        if ways != {mount.sync}:
            both = mount.sync == "two-way"
            return "changes go both ways from now on" if both else "it follows its folder from now on"
        if (image.ignore, image.owner) != (mount.ignore, mount.owner):
            return "another `ignore` or `owner` counts"
        return "the folder's content changed" if self._changed(mount, image) else ""

    def _changed(self, mount: Mount, image: MountImage) -> bool:
        if mount.ignore:
            digest = self.observed.filtered.get((mount.source, mount.ignore), "")
        else:
            source = self.observed.sources.get(mount.source)
            digest = source.digest if source is not None else ""
        return digest not in ("", image.digest)  # empty: nobody looked into the folder

    def volume_reason(self, volume: str) -> Reason | None:
        """Why no VM can run with a volume as it is; None where nothing is wrong with it."""
        seen, size = self.observed.volumes.get(volume), self.volume_sizes.get(volume, 0)
        if seen is None:
            return Reason(f"volumes.{volume}", why="its file is missing")
        if seen.fault:  # a VM that runs on loses nothing more by it, and would not start again
            return None
        if seen.size_bytes < size * MIB:
            return Reason(f"volumes.{volume}", f"{seen.size_bytes // MIB} MiB", f"{size} MiB")
        return None

    def mount_losses(
        self, name: str, mounts: tuple[Mount, ...], rebuilt: frozenset[str] = frozenset()
    ) -> list[str]:
        """Tags of writable images that would be made anew or deleted: what the guest wrote there goes."""
        wanted = {mount.tag: mount for mount in mounts}
        lost = []
        for tag, image in sorted(self.mounts.get(name, {}).items()):
            mount = wanted.get(tag)
            mode = image.mode or (mount.mode if mount else "rw")
            if mode == "rw" and (mount is None or tag in rebuilt or self.mount_reason(name, mount)):
                lost.append(tag)
        return lost

    def old_tags(self, name: str, wanted: frozenset[str]) -> list[str]:
        """Tags of images that no mount wants any more."""
        return sorted(self.mounts.get(name, {}).keys() - wanted)


def index(observed: Observed, desired: Desired, capabilities: Mapping[str, Capabilities]) -> Index:
    """The look-ups for one observation."""
    mounts: dict[str, dict[str, MountImage]] = {}
    for (name, tag), image in observed.mounts.items():
        mounts.setdefault(name, {})[tag] = image
    return Index(
        observed,
        {found.vm_id: (found.process, found.driver) for found in observed.processes},
        {record.spec.name: record for record in observed.records},
        mounts,
        {volume.name: volume.size_mib for volume in desired.volumes},
        capabilities,
    )
