"""What is on a simulated host's disks after an action."""

from collections.abc import Mapping
from dataclasses import replace

from vmmcompose.guest.scripts import script_digest
from vmmcompose.model.desired import Desired, Mount, Provision
from vmmcompose.model.observed import Disk, DiskInfo, MountImage, Source
from vmmcompose.model.spec import VmSpec


def made_image(sources: Mapping[str, Source], mount: Mount) -> MountImage:
    """A mount's image, made from its folder or last in step with it."""
    digest = sources.get(mount.source, Source("directory", f"digest of {mount.source}")).digest
    if mount.ignore:
        digest = f"{digest} without {', '.join(mount.ignore)}"
    return MountImage(mount.source, mount.mode, digest, mount.sync, mount.ignore, mount.owner)


def filtered(
    sources: Mapping[str, Source], desired: Desired | None
) -> dict[tuple[str, tuple[str, ...]], str]:
    """What is seen of folders of which something is ignored."""
    mounts = [mount for vm in (desired.vms if desired else ()) for mount in vm.mounts if mount.ignore]
    return {(mount.source, mount.ignore): made_image(sources, mount).digest for mount in mounts}


def provisioned(disk: Disk, spec: VmSpec, script: Provision) -> Disk:
    """A root disk on which a script has been run."""
    info = disk.info or DiskInfo(spec.image, "")
    digest = script_digest(script.content)
    assert digest not in info.provisioned, "a script is run once per content and disk"
    return replace(disk, info=replace(info, provisioned=(*info.provisioned, digest)))
