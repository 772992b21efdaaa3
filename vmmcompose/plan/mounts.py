"""Mounts in a plan: which are built before a start, and which are renewed while their VM runs on."""

from collections.abc import Iterable

from vmmcompose.model.actions import BuildMount, SwapMount, SyncMount
from vmmcompose.model.desired import Mount
from vmmcompose.model.observed import MountImage
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Reason
from vmmcompose.model.spec import VmSpec
from vmmcompose.plan.view import Index, VmView

LiveMount = SwapMount | SyncMount


def rebuild_reason(mount: Mount, options: Options) -> str:
    """Why a mount is renewed although nothing is wrong with it; empty where it is not."""
    return "its content is asked for again" if mount.tag in options.rebuild_mounts else ""


def mount_loss(spec: VmSpec, index: Index, options: Options) -> str:
    """What guests wrote to mounts and is lost where their images are made anew, in words; empty where nothing is."""
    tags = index.mount_losses(spec.name, spec.mounts, frozenset(options.rebuild_mounts))
    return ", ".join(f"what VM `{spec.vm}` wrote to mount {tag}" for tag in tags)


def restart_reasons(
    spec: VmSpec, view: VmView, index: Index, options: Options, known: Iterable[Reason]
) -> list[Reason]:
    """Why the VM cannot go on with its mounts as they are. What is renewed while it runs is no such reason."""
    if view.new:
        return []
    told = {reason.field for reason in known}
    found = {
        mount.tag: index.mount_reason(spec.name, mount) or rebuild_reason(mount, options)
        for mount in spec.mounts
        if not _live_reason(spec, mount, view, index, options)
    }
    return [_reason(tag, why) for tag, why in found.items() if why and f"mounts.{tag}" not in told]


def live_reasons(
    spec: VmSpec, view: VmView, index: Index, options: Options, known: Iterable[Reason]
) -> list[Reason]:
    """Why mounts are renewed while the VM runs, but for those that `known` tells already."""
    told = {reason.field for reason in known}
    found = ((mount.tag, _live_reason(spec, mount, view, index, options)) for mount in spec.mounts)
    return [_reason(tag, why) for tag, why in found if why and f"mounts.{tag}" not in told]


def live_mounts(spec: VmSpec, view: VmView, index: Index, options: Options) -> list[LiveMount]:
    """What renews the mounts of a VM that runs on."""
    return [
        SyncMount(spec, mount) if mount.mode == "rw" else SwapMount(spec, mount)
        for mount in spec.mounts
        if _live_reason(spec, mount, view, index, options)
    ]


def following_loss(spec: VmSpec, view: VmView, index: Index, built: Iterable[BuildMount] = ()) -> str:
    """What guests changed in mounts that follow their folders from now on, in words; empty where nothing is lost.

    Of those that are `built` anew it is lost all the same, and told elsewhere.
    """
    images, fresh = index.mounts.get(spec.name, {}), {action.mount.tag for action in built}
    tags = [
        mount.tag
        for mount in spec.mounts
        if mount.sync == "push"
        and mount.tag in images.keys() - fresh
        and "none" in _ways(mount, images[mount.tag], view)
    ]
    return ", ".join(f"what VM `{spec.vm}` changed of the folder's files in mount {tag}" for tag in tags)


def built_mounts(spec: VmSpec, index: Index, options: Options) -> list[BuildMount]:
    """The images that are made before a VM starts."""
    return [
        BuildMount(spec.name, mount)
        for mount in spec.mounts
        if index.mount_reason(spec.name, mount) or mount.tag in options.rebuild_mounts
    ]


def mounts_after_start(spec: VmSpec, built: Iterable[BuildMount]) -> list[LiveMount]:
    """The mounts that are compared once the guest is up: what was written on either side meanwhile goes over."""
    fresh = {action.mount.tag for action in built}
    return [
        SyncMount(spec, mount) for mount in spec.mounts if mount.sync != "none" and mount.tag not in fresh
    ]


def _live_reason(spec: VmSpec, mount: Mount, view: VmView, index: Index, options: Options) -> str:
    """Why a mount is renewed while its VM runs; empty where it is not, or cannot be so."""
    image = index.mounts.get(spec.name, {}).get(mount.tag)
    if not view.alive or image is None or not image.source or image.mode != mount.mode:
        return ""
    if mount.mode == "rw":
        if mount.sync == "none" or image.source != mount.source:
            return ""
        reason = index.sync_reason(image, mount, _ways(mount, image, view))
        return reason or rebuild_reason(mount, options)
    limits = index.capabilities.get(view.driver)
    if limits is None or not limits.swap_drive:
        return ""
    return index.mount_reason(spec.name, mount) or rebuild_reason(mount, options)


def _ways(mount: Mount, image: MountImage, view: VmView) -> set[str]:
    """How a mount was kept: when its image was last in step, and since, as nothing is done when it no longer is."""
    applied = view.record.spec.mounts if view.record else ()
    return {image.sync, *(one.sync for one in applied if one.tag == mount.tag)}


def _reason(tag: str, why: str) -> Reason:
    return Reason(f"mounts.{tag}", why=why)
