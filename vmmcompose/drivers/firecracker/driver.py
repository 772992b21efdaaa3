"""The firecracker driver: one Firecracker process per VM, configured and controlled over its API socket."""

import signal
import subprocess
import time

from vmmcompose.drivers.base import Launch, MemoryFiles, Status
from vmmcompose.drivers.firecracker import config
from vmmcompose.drivers.firecracker.api import SNAPSHOT_TIMEOUT_S, FirecrackerApi
from vmmcompose.drivers.firecracker.checks import check_spec
from vmmcompose.drivers.firecracker.launching import KILL_S, bring_up, end, remove_stale
from vmmcompose.errors import DriverError, HostError
from vmmcompose.host import process as processes
from vmmcompose.host.unixhttp import NotPermitted
from vmmcompose.model.capabilities import Capabilities
from vmmcompose.model.observed import HostFacts
from vmmcompose.model.paths import Paths
from vmmcompose.model.problem import Problem
from vmmcompose.model.record import Process
from vmmcompose.model.spec import VmSpec

_PROBE_S = 0.2
_ASK_S = 5.0
"""A VMM that does not answer for so long hangs; one on a busy host needs a moment."""
_ASK_AGAIN_S = 2.0
_TERM_S = 1.0
_STATES: dict[str, Status] = {"Not started": "starting", "Running": "running", "Paused": "paused"}


class FirecrackerDriver:
    """Runs VMs with Firecracker 1.7 or newer on x86."""

    name = "firecracker"
    capabilities = Capabilities(
        driver="firecracker",
        kernel_forms=("vmlinux",),
        max_cpus=config.MAX_CPUS,
        max_mounts=config.MAX_MOUNTS,
        max_command_line=config.MAX_COMMAND_LINE,
        needs_kvm=True,
        pause=True,
        snapshot=True,
        swap_drive=True,
    )

    def check(self, spec: VmSpec, host: HostFacts) -> list[Problem]:
        """What about this spec Firecracker cannot do. Pure."""
        return check_spec(spec, host)

    def start(self, launch: Launch) -> Process:
        """Start Firecracker in its own session and the guest in it; returns when the guest's CPUs run.

        Raises:
            DriverError: it did not start. Nothing is left behind: no process, no socket file.
        """
        return bring_up(launch, lambda version: config.calls(launch, version))

    def probe(self, paths: Paths, vm_id: str, process: Process) -> Status:
        """Ask the VMM how it is, for 200 ms at most.

        A VMM that this user may not ask (its socket is root's) counts as running while its process lives.
        """
        if not processes.alive(process):
            return "gone"
        try:
            with _api(paths, vm_id) as api:
                instance = api.instance(_PROBE_S)
        except NotPermitted:
            return "running"
        except DriverError:
            return "unresponsive" if processes.alive(process) else "gone"
        if instance.id != config.instance_id(vm_id):
            return "unresponsive"
        return _STATES.get(instance.state, "unresponsive")

    def stop(self, paths: Paths, vm_id: str, process: Process, grace_s: float) -> None:
        """Press Ctrl+Alt+Del, wait `grace_s` seconds, then TERM, then KILL; unlink the socket.

        Where the API refuses or hangs, there is no grace: who was not asked need not be waited for.

        Raises:
            DriverError: the process could not be ended.
        """
        path = str(paths.socket(vm_id))
        gone = (
            _ended_by_guest(path, vm_id, process, grace_s)
            or end(process, signal.SIGTERM, _TERM_S)
            or end(process, signal.SIGKILL, KILL_S)
        )
        if not gone:
            raise DriverError(
                f"VM {vm_id}: firecracker (process {process.pid}) does not end, not even after KILL",
                hint="it hangs in the host's kernel; look at `dmesg` and the disk it lies on",
            )
        remove_stale(path)

    def pause(self, paths: Paths, vm_id: str) -> None:
        """Stop a running guest's CPUs where they are; pausing a paused one changes nothing.

        Raises:
            NotPermitted: this user may not ask.
            DriverError: refused, or no answer.
        """
        with _api(paths, vm_id) as api:
            api.pause()

    def resume(self, paths: Paths, vm_id: str) -> None:
        """Let a paused guest's CPUs run on; resuming a running one changes nothing.

        Raises:
            NotPermitted: this user may not ask.
            DriverError: refused, or no answer.
        """
        with _api(paths, vm_id) as api:
            api.resume()

    def snapshot(self, paths: Paths, vm_id: str, files: MemoryFiles) -> None:
        """Write a paused guest's memory and state to new files.

        Raises:
            DriverError: refused (the guest is not paused, the disk is full), or no answer.
        """
        with _api(paths, vm_id) as api:
            api.call(config.snapshot_call(files), SNAPSHOT_TIMEOUT_S)

    def load(self, launch: Launch, files: MemoryFiles) -> Process:
        """Start Firecracker with a guest that goes on where its snapshot was made.

        Raises:
            DriverError: it did not start. Nothing is left behind: no process, no socket file.
        """
        try:
            return _load(launch, files, catch_up=True)
        except DriverError as error:
            # Whether KVM noted the wall clock's time with the snapshot is known only to the state file.
            if config.CLOCK_WORD not in error.message:
                raise
        return _load(launch, files, catch_up=False)

    def snapshot_fault(self, binary: str, files: MemoryFiles) -> str:
        """Whether the state file's version is one that this Firecracker reads: no newer, and of the same series."""
        made = _ask_version(binary, "--describe-snapshot", files.state)
        reads = _ask_version(binary, "--snapshot-version")
        if reads is None:
            return f"{binary} does not say which snapshots it reads"
        if made is None:
            return f"{binary} cannot read its state file"
        if made[0] == reads[0] and made[1] <= reads[1]:
            return ""
        words = [".".join(map(str, version)) for version in (made, reads)]
        return f"its format is {words[0]}, and {binary} reads {words[1]}"

    def swap_drive(self, paths: Paths, vm_id: str, position: int, path: str) -> None:
        """Give the drive of a running guest's mount, counted from 0, another file.

        Raises:
            DriverError: refused, or no answer; the drive has its old file then.
        """
        with _api(paths, vm_id) as api:
            api.call(config.swap_drive(position, path))


def _ended_by_guest(path: str, vm_id: str, process: Process, grace_s: float) -> bool:
    """Ask every other second, as a guest that is still booting does not hear the first time."""
    deadline = time.monotonic() + grace_s
    asked = False
    while (left := deadline - time.monotonic()) > 0 and processes.alive(process):
        asked = _ask_to_stop(path, vm_id, min(left, _ASK_S)) or asked
        if not asked or processes.wait_gone(process, min(deadline - time.monotonic(), _ASK_AGAIN_S)):
            break
    return processes.wait_gone(process, 0)


def _ask_to_stop(path: str, vm_id: str, timeout_s: float) -> bool:
    """Whether Firecracker took the request; a paused guest is let run first, or it could not hear."""
    try:
        with FirecrackerApi(path, f"VM {vm_id}") as api:
            if api.instance(timeout_s).state == "Paused":
                api.resume(timeout_s)
            api.ctrl_alt_del(timeout_s)
    except HostError:
        return False
    return True


def _api(paths: Paths, vm_id: str) -> FirecrackerApi:
    return FirecrackerApi(str(paths.socket(vm_id)), f"VM {vm_id}")


def _load(launch: Launch, files: MemoryFiles, *, catch_up: bool) -> Process:
    return bring_up(launch, lambda version: config.load_calls(launch, files, version, catch_up=catch_up))


def _ask_version(*argv: str) -> config.Version | None:
    try:
        done = subprocess.run(argv, capture_output=True, timeout=_ASK_S, check=False, text=True)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return config.parse_version(done.stdout) if done.returncode == 0 else None
