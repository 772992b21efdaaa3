"""The qemu driver: one QEMU process per VM, asked and stopped over QMP."""

import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path

from vmmcompose.drivers.base import Launch, Status
from vmmcompose.drivers.qemu.argv import CAPABILITIES, command_line_length, disk_paths, kernel_path, qemu_argv
from vmmcompose.drivers.qemu.failure import hint_for, last_words
from vmmcompose.drivers.qemu.qmp import Qmp, QmpError
from vmmcompose.drivers.qemu.swapping import swap_file
from vmmcompose.errors import DriverError, HostError
from vmmcompose.host import console
from vmmcompose.host import process as processes
from vmmcompose.host.scopes import in_scope
from vmmcompose.host.unixhttp import listening
from vmmcompose.model.observed import HostFacts
from vmmcompose.model.paths import Paths
from vmmcompose.model.problem import Problem
from vmmcompose.model.record import Process
from vmmcompose.model.spec import VmSpec

_START_S = 30.0
"""From the process's start to running CPUs: a tenth of a second, on a host that is not overloaded."""
_STEP_S = 0.01
_PROBE_S = 0.3
_ASK_S = 1.0
_ASK_AGAIN_S = 2.0
"""A guest that is still booting hears nothing yet, so it is asked again."""
_END_S = 2.0
_KILL_S = 10.0
_SETTLE_S = 1.0
_CTRL_ALT_DEL = [{"type": "qcode", "data": key} for key in ("ctrl", "alt", "delete")]
_STATES: dict[str, Status] = {
    "running": "running",
    "paused": "paused",
    "suspended": "paused",
    "prelaunch": "starting",
    "inmigrate": "starting",
    "shutdown": "halted",
    "guest-panicked": "halted",
    "internal-error": "halted",
    "io-error": "halted",
    "watchdog": "halted",
}
"""RunState of QEMU's qapi/run-state.json in our words."""


class QemuDriver:
    """Runs VMs with QEMU 7.2 or newer, under KVM where it is usable, else by emulation."""

    name = "qemu"
    capabilities = CAPABILITIES

    def check(self, spec: VmSpec, host: HostFacts) -> list[Problem]:
        """What about this spec QEMU cannot do. Pure."""
        length = command_line_length(spec, kvm=host.kvm_usable)
        limits = CAPABILITIES
        found = [
            ("cpus", not 1 <= spec.cpus <= limits.max_cpus, f"qemu is given at most {limits.max_cpus} cpus"),
            ("memory", spec.memory_mib < limits.min_memory_mib, f"needs {limits.min_memory_mib} MiB or more"),
            (
                "mounts",
                len(spec.mounts) + len(spec.volumes) > limits.max_mounts,
                f"qemu takes at most {limits.max_mounts} mounts and volumes",
            ),
            (
                "boot_args",
                length > limits.max_command_line,
                f"the kernel command line would take {length} bytes of {limits.max_command_line}",
            ),
        ]
        return [
            Problem("limit", f"VM `{spec.vm}`: {text}", ("vms", spec.vm, key))
            for key, wrong, text in found
            if wrong
        ]

    def start(self, launch: Launch) -> Process:
        """Start QEMU in its own session; returns when the guest's CPUs run.

        Raises:
            DriverError: it did not start. Nothing is left behind: no process, no socket file.
        """
        path = _control_socket(launch)
        _check_inputs(launch)
        _check_not_running(launch, path)
        _begin_logs(launch)
        process = _spawn(launch)
        try:
            _wait_running(launch, path, process)
        except BaseException:
            processes.signal_process(process, signal.SIGKILL)
            processes.wait_gone(process, _KILL_S)
            _remove_stale(path)
            raise
        return process

    def probe(self, paths: Paths, vm_id: str, process: Process) -> Status:
        """Ask the VMM how it is, for 300 ms at most.

        A VMM that this user may not ask (its socket is root's) counts as running while its process lives.
        """
        if not processes.alive(process):
            return "gone"
        try:
            with Qmp(str(paths.socket(vm_id)), _PROBE_S) as qmp:
                return _STATES.get(_run_state(qmp), "halted")
        except PermissionError:
            return "running"
        except (OSError, QmpError):
            return "unresponsive" if processes.alive(process) else "gone"

    def pause(self, paths: Paths, vm_id: str) -> None:
        """Stop a running guest's CPUs where they are; pausing a paused one changes nothing.

        Raises:
            DriverError: refused, or no answer.
        """
        _command(paths, vm_id, "stop")

    def resume(self, paths: Paths, vm_id: str) -> None:
        """Let a paused guest's CPUs run on; resuming a running one changes nothing.

        Raises:
            DriverError: refused, or no answer.
        """
        _command(paths, vm_id, "cont")

    def swap_drive(self, paths: Paths, vm_id: str, position: int, path: str) -> None:
        """Give the drive of a running guest's read-only mount, counted from 0, another file. Raises DriverError."""
        swap_file(paths, vm_id, 1 + position, path)

    def stop(self, paths: Paths, vm_id: str, process: Process, grace_s: float) -> None:
        """Ask the guest to shut down, wait `grace_s` seconds, then quit, TERM and KILL; unlink the socket.

        Raises:
            DriverError: the process could not be ended.
        """
        path = str(paths.socket(vm_id))
        if not (_ended_by_guest(path, process, grace_s) or _ended_by_force(path, process)):
            raise DriverError(
                f"VM {vm_id}: qemu (process {process.pid}) does not end, not even by KILL",
                hint="it waits in the host's kernel, mostly for a disk that does not answer; see `dmesg`",
            )
        _remove_stale(path)


def _control_socket(launch: Launch) -> str:
    try:
        return str(launch.paths.socket(launch.spec.id))
    except ValueError as error:
        raise _failed(launch, str(error), "choose a shorter data_dir") from error


def _check_inputs(launch: Launch) -> None:
    """What QEMU would not miss, or would tell badly: as root it makes a missing TAP, which leads nowhere."""
    spec = launch.spec
    if not launch.binary:
        hint = "apt-get install qemu-system-x86"
        raise _failed(launch, "the program of hypervisor qemu was not found", hint)
    if not kernel_path(launch):
        hint = "`vmm kernel import` makes one"
        raise _failed(launch, f"kernel {launch.kernel.name} has no file that qemu boots", hint)
    for path in (kernel_path(launch), launch.kernel.initrd, *disk_paths(launch)):
        if path and not Path(path).is_file():
            raise _failed(launch, f"{path} is gone", "`vmm plan` shows what is missing, `vmm up` makes it")
    try:
        socket.if_nametoindex(spec.tap)
    except OSError as error:
        raise _failed(launch, f"its TAP {spec.tap} does not exist", "`vmm up` makes it") from error


def _check_not_running(launch: Launch, path: str) -> None:
    """Refuse a second start: QEMU would take over the first one's socket before it sees the disk's lock."""
    for found in processes.scan(str(launch.paths.sockets())):
        if found.vm_id == launch.spec.id:
            raise _failed(launch, f"it runs already (process {found.process.pid})", "`vmm ps` shows it")
    if not _remove_stale(path):
        raise _failed(launch, f"a process listens on {path}", "`vmm doctor` finds VMMs without a record")


def _begin_logs(launch: Launch) -> None:
    paths, name = launch.paths, launch.spec.name
    try:
        Path(paths.sockets()).mkdir(mode=0o700, parents=True, exist_ok=True)
        Path(paths.logs(name)).mkdir(mode=0o700, parents=True, exist_ok=True)
        console.rotate(paths.console(name))
        console.rotate(paths.driver_log(name))
    except OSError as error:
        raise _failed(launch, f"{error.filename}: {error.strerror}", "") from error


def _spawn(launch: Launch) -> Process:
    try:
        argv = in_scope(qemu_argv(launch), launch.spec.name)
        return processes.spawn(argv, log_path=str(launch.paths.driver_log(launch.spec.name)))
    except HostError as error:
        raise _failed(launch, error.message, error.hint) from error


def _wait_running(launch: Launch, path: str, process: Process) -> None:
    deadline = time.monotonic() + _START_S
    pidfd = processes.open_pidfd(process)
    try:
        while time.monotonic() < deadline:
            if pidfd is None or processes.exited(pidfd, _STEP_S):
                raise _start_error(launch)
            with suppress(FileNotFoundError, ConnectionError), Qmp(path, _START_S) as qmp:
                if _run_state(qmp) == "running":
                    return
    except (OSError, QmpError) as error:
        raise _failed(launch, f"qemu does not answer: {error}", _log_hint(launch)) from error
    finally:
        if pidfd is not None:
            os.close(pidfd)
    raise _failed(launch, f"its CPUs did not run within {_START_S:g} s", _log_hint(launch))


def _command(paths: Paths, vm_id: str, command: str) -> None:
    try:
        with Qmp(str(paths.socket(vm_id)), _ASK_S) as qmp:
            qmp.execute(command)
    except (OSError, QmpError) as error:
        message = f"VM {vm_id}: qemu does not take `{command}`: {error}"
        raise DriverError(message, hint="its process may hang; `vmm inspect` shows its log") from error


def _run_state(qmp: Qmp) -> str:
    return str(qmp.execute("query-status").get("status", ""))


def _start_error(launch: Launch) -> DriverError:
    words = last_words(console.tail(launch.paths.driver_log(launch.spec.name), 5, width=1000))
    if not words:
        words = "qemu ended at once and said nothing: the guest may have switched itself off"
    return _failed(launch, words, hint_for(words) or _log_hint(launch))


def _log_hint(launch: Launch) -> str:
    return f"see {launch.paths.driver_log(launch.spec.name)}"


def _failed(launch: Launch, words: str, hint: str) -> DriverError:
    return DriverError(f"VM {launch.spec.vm}: cannot start: {words}", hint=hint)


def _ended_by_guest(path: str, process: Process, grace_s: float) -> bool:
    """Ask as long as there is time; a guest that is asked twice shuts down once."""
    deadline = time.monotonic() + grace_s
    while processes.alive(process):
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        _ask(path, min(left, _ASK_S))
        if processes.wait_gone(process, min(deadline - time.monotonic(), _ASK_AGAIN_S)):
            break
    return processes.wait_gone(process, 0)


def _ask(path: str, timeout_s: float) -> None:
    """Press Ctrl+Alt+Del, which an init in the guest hears, and the power button, which systemd hears."""
    with suppress(OSError, QmpError), Qmp(path, timeout_s) as qmp:
        if _STATES.get(_run_state(qmp)) == "paused":
            qmp.execute("cont")  # a paused guest hears nothing
        qmp.execute("send-key", keys=_CTRL_ALT_DEL)
        qmp.execute("system_powerdown")


def _ended_by_force(path: str, process: Process) -> bool:
    with suppress(OSError, QmpError), Qmp(path, _ASK_S) as qmp:
        qmp.execute("quit")  # writes out what its disks have cached
        if processes.wait_gone(process, _END_S):
            return True
    processes.signal_process(process, signal.SIGTERM)
    if processes.wait_gone(process, _END_S):
        return True
    processes.signal_process(process, signal.SIGKILL)
    return processes.wait_gone(process, _KILL_S)


def _remove_stale(path: str) -> bool:
    """Unlink a control socket that nobody answers on; False when somebody does.

    QEMU waits for its descriptors with io_uring, which gives them back a moment after the process has gone:
    until then its socket listens, its TAP is busy and its disks are locked. So the socket is given a moment.
    """
    deadline = time.monotonic() + _SETTLE_S
    while (state := listening(path)) == "yes":
        if time.monotonic() >= deadline:
            return False
        time.sleep(_STEP_S)
    if state == "no":
        Path(path).unlink(missing_ok=True)
    return True
