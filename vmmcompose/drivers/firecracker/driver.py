"""The firecracker driver: one Firecracker process per VM, configured and controlled over its API socket."""

import os
import signal
import socket
import time
from pathlib import Path

from vmmcompose.drivers.base import Launch, Status
from vmmcompose.drivers.firecracker import config
from vmmcompose.drivers.firecracker.api import CALL_TIMEOUT_S, START_TIMEOUT_S, FirecrackerApi
from vmmcompose.drivers.firecracker.checks import check_spec
from vmmcompose.drivers.firecracker.files import log_tail, prepare_files
from vmmcompose.errors import DriverError, HostError
from vmmcompose.host import process as processes
from vmmcompose.host.unixhttp import NotPermitted, listening
from vmmcompose.model.capabilities import Capabilities
from vmmcompose.model.observed import HostFacts
from vmmcompose.model.paths import Paths
from vmmcompose.model.problem import Problem
from vmmcompose.model.record import Process
from vmmcompose.model.spec import VmSpec

_READY_S = 10.0
"""From the process's start to its API; a real one takes a millisecond."""
_STEP_S = 0.001
_LAST_BREATHS = 100
_PROBE_S = 0.2
_ASK_S = 5.0
"""A VMM that does not answer for so long hangs; one on a busy host needs a moment."""
_ASK_AGAIN_S = 2.0
_TERM_S = 1.0
_KILL_S = 10.0
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
    )

    def check(self, spec: VmSpec, host: HostFacts) -> list[Problem]:
        """What about this spec Firecracker cannot do. Pure."""
        return check_spec(spec, host)

    def start(self, launch: Launch) -> Process:
        """Start Firecracker in its own session and the guest in it; returns when the guest's CPUs run.

        Raises:
            DriverError: it did not start. Nothing is left behind: no process, no socket file.
        """
        spec, paths, who = launch.spec, launch.paths, f"VM {launch.spec.vm}"
        path = _control_socket(launch, who)
        _check_tap(spec, who)
        _check_not_running(launch, path, who)
        prepare_files(paths, spec)
        process = _spawn(launch, who)
        try:
            _wait_ready(path, process, who)
            _configure(launch, path, who)
        except BaseException as error:
            code = _exit_code(process)
            _end(process, signal.SIGKILL, _KILL_S)
            _remove_stale(path)
            if isinstance(error, HostError):
                raise _start_failed(launch, error, code) from error
            raise
        return process

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
            or _end(process, signal.SIGTERM, _TERM_S)
            or _end(process, signal.SIGKILL, _KILL_S)
        )
        if not gone:
            raise DriverError(
                f"VM {vm_id}: firecracker (process {process.pid}) does not end, not even after KILL",
                hint="it hangs in the host's kernel; look at `dmesg` and the disk it lies on",
            )
        _remove_stale(path)

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


def _control_socket(launch: Launch, who: str) -> str:
    try:
        return str(launch.paths.socket(launch.spec.id))
    except ValueError as error:
        raise DriverError(f"{who}: {error}", hint="choose a shorter data_dir") from error


def _check_tap(spec: VmSpec, who: str) -> None:
    """Firecracker, run as root, would make a missing TAP itself: one that leads nowhere and goes with it."""
    try:
        socket.if_nametoindex(spec.tap)
    except OSError as error:
        raise DriverError(f"{who}: its TAP {spec.tap} does not exist", hint="`vmm up` makes it") from error


def _check_not_running(launch: Launch, path: str, who: str) -> None:
    """Firecracker locks no disk: a second process on the same one would destroy it."""
    for found in processes.scan(str(launch.paths.sockets())):
        if found.vm_id == launch.spec.id:
            raise DriverError(
                f"{who}: it runs already (process {found.process.pid})", hint="`vmm ps` shows it"
            )
    try:
        occupied = listening(path) == "yes"
        _remove_stale(path)
    except HostError as error:
        raise DriverError(f"{who}: {error.message}", hint=error.hint) from error
    if occupied:
        raise DriverError(
            f"{who}: a process listens on {path}", hint="`vmm doctor` finds VMMs without a record"
        )


def _spawn(launch: Launch, who: str) -> Process:
    paths, spec = launch.paths, launch.spec
    try:
        return processes.spawn(
            config.argv(launch.binary, paths, spec),
            log_path=str(paths.driver_log(spec.name)),
            console_path=str(paths.console(spec.name)),
        )
    except HostError as error:
        hint = error.hint or "set VMM_FIRECRACKER to the firecracker program"
        raise DriverError(f"{who}: {error.message}", hint=hint) from error


def _wait_ready(path: str, process: Process, who: str) -> None:
    pidfd = processes.open_pidfd(process)
    if pidfd is None:
        raise DriverError(f"{who}: firecracker ended at once")
    deadline = time.monotonic() + _READY_S
    try:
        while listening(path) != "yes":
            if processes.exited(pidfd, _STEP_S):
                raise DriverError(f"{who}: firecracker ended before its API was there")
            if time.monotonic() > deadline:
                raise DriverError(f"{who}: firecracker's API did not come up within {_READY_S:g} s")
    finally:
        os.close(pidfd)


def _configure(launch: Launch, path: str, who: str) -> None:
    with FirecrackerApi(path, who) as api:
        instance = api.instance()
        if instance.version is None or instance.version < config.OLDEST:
            oldest = ".".join(map(str, config.OLDEST[:2]))
            raise DriverError(
                f"{who}: {launch.binary} is older than Firecracker {oldest}",
                hint=f"install {oldest} or newer, or set VMM_FIRECRACKER",
            )
        for call in config.calls(launch, instance.version):
            api.call(call, START_TIMEOUT_S if call.path == "/actions" else CALL_TIMEOUT_S)


def _start_failed(launch: Launch, error: HostError, code: int | None) -> DriverError:
    """The error with how the process ended, if it did, and the last that it said."""
    parts = [error.message]
    if code is not None:
        parts.append(config.exit_meaning(code))
    parts += log_tail(launch.paths, launch.spec)
    hint = error.hint or f"see {launch.paths.logs(launch.spec.name)}"
    return DriverError("\n  ".join(parts), hint=hint)


def _exit_code(process: Process) -> int | None:
    """How a child of ours ended (a signal's number negative); None while it runs or if that is not known.

    Its connection breaks a moment before it has ended, so it is given one.
    """
    for _ in range(_LAST_BREATHS):
        try:
            ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return None
        if ended is not None:
            return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        time.sleep(_STEP_S)
    return None


def _end(process: Process, signum: signal.Signals, timeout_s: float) -> bool:
    processes.signal_process(process, signum)
    return processes.wait_gone(process, timeout_s)


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


def _remove_stale(path: str) -> None:
    """Unlink a socket that nobody listens on: Firecracker leaves its own behind, and binds over no file."""
    if listening(path) == "no":
        Path(path).unlink(missing_ok=True)
