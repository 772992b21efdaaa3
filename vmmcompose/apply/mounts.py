"""Actions on mounts: images made, exchanged under a running guest, and compared with what a running guest has."""

from collections.abc import Iterator
from contextlib import contextmanager

from vmmcompose.apply.context import Context, Progress
from vmmcompose.drivers import swapper
from vmmcompose.errors import HostError
from vmmcompose.guest import mountscripts
from vmmcompose.host import mounts
from vmmcompose.host.files import make_dir, unlink
from vmmcompose.host.freshimage import fresh_image
from vmmcompose.host.ssh import run_in_guest
from vmmcompose.host.sync.session import Session
from vmmcompose.model.actions import BuildMount, DeleteMount, SwapMount, SyncMount
from vmmcompose.model.desired import Mount
from vmmcompose.model.mountsync import Report
from vmmcompose.model.spec import VmSpec

_GUEST_S = 60.0


def build_mount(context: Context, action: BuildMount, progress: Progress) -> None:
    """Makes a mount's image."""
    # The images in it are root's, what they are made from is not.
    make_dir(context.paths.mount_dir(action.name), 0o755)
    progress(f"packing {action.mount.source}")
    paths, name, tag = context.paths, action.name, action.mount.tag
    mounts.build_mount(
        action.mount, paths.mount(name, tag), paths.mount_info(name, tag), paths.mount_base(name, tag)
    )


def delete_mount(context: Context, action: DeleteMount) -> None:
    """Deletes a mount's image; the sidecar first, so that half a deletion reads as none."""
    paths, name, tag = context.paths, action.name, action.tag
    for path in (paths.mount_info(name, tag), paths.mount_base(name, tag), paths.mount(name, tag)):
        unlink(path)


def swap_mount(context: Context, action: SwapMount, progress: Progress) -> None:
    """Makes a read-only mount's image anew and gives it to the running guest, which has it unmounted meanwhile.

    Where the guest does not let go of the old one, or the new one cannot be attached, it keeps the old one, and
    the host has nothing else either.

    Raises:
        HostError: so it is, and who uses the mount in the guest.
    """
    paths, spec, mount = context.paths, action.spec, action.mount
    image = paths.mount(spec.name, mount.tag)
    position = [one.tag for one in spec.mounts].index(mount.tag)
    driver = swapper(spec.driver)
    progress(f"packing {mount.source}")
    with fresh_image(mount, image, paths.mount_info(spec.name, mount.tag)) as fresh:
        progress("giving it to the guest")
        with _unmounted(context, spec, mount), fresh.in_place():
            driver.swap_drive(paths, spec.id, position, str(image))
        fresh.keep()


@contextmanager
def _unmounted(context: Context, spec: VmSpec, mount: Mount) -> Iterator[None]:
    """Takes a mount off in the guest, and puts it back whatever happens in between."""
    device = _unmount(context, spec, mount)
    try:
        yield
    finally:
        script = mountscripts.remount(mount, device)
        result = run_in_guest(context.paths, spec, script, timeout_s=_GUEST_S)
        if result.returncode != 0:
            said = result.stderr.decode(errors="replace").strip()
            raise HostError(
                f"VM {spec.vm}: the guest cannot mount {mount.tag} again: {said}",
                hint=f"a restart mounts it: vmm restart {spec.vm}",
            )


def _unmount(context: Context, spec: VmSpec, mount: Mount) -> str:
    """The device that the mount was on; empty where it was not mounted."""
    result = run_in_guest(context.paths, spec, mountscripts.unmount(mount), timeout_s=_GUEST_S)
    printed = result.stdout.decode(errors="replace")
    if result.returncode == mountscripts.BUSY:
        raise HostError(
            f"VM {spec.vm}: mount {mount.tag} keeps its old content: the guest uses it ({_users(printed)})",
            hint=f"end what uses {mount.place} there and try again, or restart the VM:"
            f" vmm mount sync {spec.vm} {mount.tag} --restart",
        )
    device = printed.strip()
    if result.returncode != 0 or (device and not mountscripts.is_device(device)):
        said = result.stderr.decode(errors="replace").strip() or f"exit code {result.returncode}"
        raise HostError(f"VM {spec.vm}: the guest cannot unmount {mount.tag}: {said}")
    return device


def _users(printed: str) -> str:
    """`httpd, process 71`: what the guest says of itself, made fit for a terminal."""
    found = []
    for line in printed.splitlines()[:3]:
        pid, _, name = line.partition(" ")
        plain = "".join(letter for letter in name[:32] if letter.isprintable())
        if pid.isdigit():
            found.append(f"{plain}, process {pid}")
    return "; ".join(found) or "it does not say by what"


def sync_mount(context: Context, action: SyncMount, progress: Progress) -> None:
    """Compares a mount in the running guest with its directory and carries over what differs.

    Raises:
        HostError: one of them cannot be read or written.
    """
    paths, spec, mount = context.paths, action.spec, action.mount
    with Session(paths, spec, mount) as session:
        digest = mounts.source_digest(mount.source, mount.ignore)
        report = session.full()
        if report.fetched or report.conflicts or (report.deleted and mount.sync == "two-way"):
            # The directory is another one now: a second look tells what it was in step with.
            digest = mounts.source_digest(mount.source, mount.ignore)
            report = report.plus(session.full())
    mounts.note_mount(mount, paths.mount_info(spec.name, mount.tag), digest)
    progress(report_words(report))


def report_words(report: Report) -> str:
    """`3 sent, 1 deleted`: what a comparison came to."""
    counts = (
        (report.sent, "sent"),
        (report.deleted, "deleted"),
        (report.fetched, "fetched"),
        (len(report.conflicts), "changed on both sides"),
        (len(report.skipped), "left out"),
        (len(report.overwritten), "of the guest's own overwritten"),
    )
    told = ", ".join(f"{count} {what}" for count, what in counts if count)
    return told or "nothing differed"
