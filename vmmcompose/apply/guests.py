"""Actions on running guests: start, stop, wait, tell them their peers."""

import time
from dataclasses import replace

from vmmcompose.apply.context import Context, Progress, now
from vmmcompose.apply.snapshots import memory_files
from vmmcompose.drivers import driver, snapshotter
from vmmcompose.drivers.base import Launch
from vmmcompose.errors import HostError, NoSpace
from vmmcompose.guest import hosts_file
from vmmcompose.host import disks, ready, records, volumes
from vmmcompose.host.files import make_dir
from vmmcompose.host.ssh import answers, run_in_guest
from vmmcompose.model.actions import PauseVm, ResumeVm, SetClock, StartVm, StopVm, UpdatePeers, WaitVm
from vmmcompose.model.desired import Attachment, Mount
from vmmcompose.model.record import Record
from vmmcompose.model.spec import VmSpec

PEERS_TIMEOUT_S = 15.0
CONNECT_S = 1.0


def start_vm(context: Context, action: StartVm) -> None:
    """Starts the VMM and records its process; a process that cannot be recorded is ended again."""
    spec, paths = action.spec, context.paths
    make_dir(paths.sockets(), 0o700)
    make_dir(paths.logs(spec.name), 0o700)
    kernel = context.kernels.get(spec.kernel)
    if kernel is None:
        raise HostError(
            f"VM {spec.vm}: kernel {spec.kernel} is gone", hint="`vmm kernel list` shows what there is"
        )
    runner = driver(spec.driver)
    launch = Launch(spec, paths, kernel, context.host.binaries.get(spec.driver, ""), context.host.kvm_usable)
    if action.snapshot:
        process = snapshotter(spec.driver).load(launch, memory_files(paths, spec.name, action.snapshot))
    else:
        # Not to those of a snapshot: its guest has them mounted, and knows what stands where.
        for mount in spec.mounts:
            _check_mount(context, spec, mount)
        for attachment in spec.volumes:
            _check_volume(context, spec, attachment)
        process = runner.start(launch)
    try:
        context.update(spec.name, state="running", process=process, started=now(), health="")
    except BaseException:
        runner.stop(paths, spec.id, process, 0.0)
        raise


def _check_mount(context: Context, spec: VmSpec, mount: Mount) -> None:
    """Replays the journal of a mount's image: a dirty one cannot be mounted from a read-only device."""
    image = context.paths.mount(spec.name, mount.tag)
    try:
        disks.check_disk(image)
    except NoSpace:
        raise
    except HostError as error:
        raise HostError(
            f"VM {spec.vm}: the image of mount {mount.tag} is damaged: {error.message}",
            hint=f"delete it (rm {image}), then `vmm up` makes it anew from {mount.source}",
        ) from error


def _check_volume(context: Context, spec: VmSpec, attachment: Attachment) -> None:
    """As `_check_mount`; nobody can make this one anew with what is in it."""
    volume = attachment.volume
    try:
        volumes.check_volume(context.paths, spec.project, volume, writing=attachment.mode == "rw")
    except NoSpace:
        raise
    except HostError as error:
        path = context.paths.volume(spec.project, volume)
        raise HostError(
            f"VM {spec.vm}: volume {volume} cannot be used: {error.message}",
            hint=error.hint or f"put a copy of {path} back, or begin anew: vmm volume delete {volume}",
        ) from error


def stop_vm(context: Context, action: StopVm, progress: Progress) -> None:
    """Ends a VM's process, then says so in the record, if there is one."""
    progress("shutting down")
    driver(action.driver).stop(context.paths, action.vm_id, action.process, action.grace_s)
    # A VM found running without a record has none yet, or not for long.
    if isinstance(records.read_record(context.paths, action.name), Record):
        try:
            context.update(action.name, state=action.then, process=None, health="")
        except NoSpace:
            if action.then != "deleting":  # the record goes next, and what it takes up with it
                raise


def pause_vm(context: Context, action: PauseVm) -> None:
    """Stops a guest's CPUs."""
    driver(action.spec.driver).pause(context.paths, action.spec.id)


def resume_vm(context: Context, action: ResumeVm) -> None:
    """Lets a guest's CPUs run on, then says so in the record."""
    driver(action.spec.driver).resume(context.paths, action.spec.id)
    context.update(action.spec.name, state="running")


def wait_vm(context: Context, action: WaitVm, progress: Progress) -> None:
    """Waits until the guest answers and keeps the verdict in the record."""
    spec = action.spec
    record = context.record(spec.name)
    if record.process is None:
        raise HostError(f"VM {spec.vm} does not run", hint="run `vmm up` again")
    left = context.patience.left()
    try:
        ready.wait_ready(
            context.paths,
            spec if action.until == "ready" else replace(spec, healthcheck=None),
            record.process,
            timeout_s=min(action.timeout_s, left),
            over="" if action.timeout_s < left else context.patience.over(),
            on_phase=progress,
            cancelled=context.cancelled,
        )
    except HostError:
        if not context.cancelled.is_set():
            context.update(spec.name, health="unhealthy")
        raise
    if action.until == "ready":
        context.update(spec.name, health="healthy")


def set_clock(context: Context, action: SetClock, progress: Progress) -> None:
    """Sets a guest's clock over SSH where it is wrong; one that has no SSH keeps the time its VMM gave it."""
    spec = action.spec
    if not answers(spec, CONNECT_S):
        progress("it has no SSH, so nobody looked at its clock")
        return
    at = int(time.time())
    script = f"off=$(($(date +%s) - {at})); [ $off -gt -2 ] && [ $off -lt 5 ] || date -u -s @{at}"
    result = run_in_guest(context.paths, spec, script, timeout_s=PEERS_TIMEOUT_S)
    if result.returncode != 0:
        said = result.stderr.decode(errors="replace").strip()
        raise HostError(
            f"VM {spec.vm}: cannot set the guest's clock: {said}", hint=f"set it by hand: vmm ssh {spec.vm}"
        )


def update_peers(context: Context, action: UpdatePeers) -> None:
    """Writes /etc/hosts in a running guest, then the record."""
    spec = action.spec
    script = "cat > /etc/hosts.vmm && cat /etc/hosts.vmm > /etc/hosts && rm /etc/hosts.vmm"
    result = run_in_guest(
        context.paths, spec, script, stdin=hosts_file(spec).encode(), timeout_s=PEERS_TIMEOUT_S
    )
    if result.returncode != 0:
        said = result.stderr.decode(errors="replace").strip()
        raise HostError(
            f"VM {spec.vm}: cannot write /etc/hosts in the guest: {said}",
            hint=f"`vmm restart {spec.vm}` writes it at the start",
        )
    context.update(spec.name, spec=replace(context.record(spec.name).spec, peers=spec.peers))
