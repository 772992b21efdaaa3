"""Starting a Firecracker process and telling it what it shall run, all of it or nothing."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from vmmcompose.drivers.base import Launch
from vmmcompose.drivers.firecracker import config
from vmmcompose.drivers.firecracker.api import CALL_TIMEOUT_S, START_TIMEOUT_S, FirecrackerApi
from vmmcompose.drivers.firecracker.files import log_tail, prepare_files
from vmmcompose.errors import DriverError, HostError
from vmmcompose.host import process as processes
from vmmcompose.host.scopes import in_scope
from vmmcompose.host.unixhttp import listening
from vmmcompose.model.record import Process
from vmmcompose.model.spec import VmSpec

KILL_S = 10.0
_READY_S = 10.0
"""From the process's start to its API; a real one takes a millisecond."""
_STEP_S = 0.001
_LAST_BREATHS = 100

Calls = Callable[[config.Version], Iterable[config.Call]]
"""The requests that make a fresh process of a version run the guest."""


def bring_up(launch: Launch, calls: Calls) -> Process:
    """Start Firecracker in its own session and send it `calls`; the guest's CPUs run after the last one.

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
        _configure(launch, path, who, calls)
    except BaseException as error:
        code = _exit_code(process)
        end(process, signal.SIGKILL, KILL_S)
        remove_stale(path)
        if isinstance(error, HostError):
            raise _start_failed(launch, error, code) from error
        raise
    return process


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
        remove_stale(path)
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
            in_scope(config.argv(launch.binary, paths, spec), spec.name),
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


def _configure(launch: Launch, path: str, who: str, calls: Calls) -> None:
    with FirecrackerApi(path, who) as api:
        instance = api.instance()
        if instance.version is None or instance.version < config.OLDEST:
            oldest = ".".join(map(str, config.OLDEST[:2]))
            raise DriverError(
                f"{who}: {launch.binary} is older than Firecracker {oldest}",
                hint=f"install {oldest} or newer, or set VMM_FIRECRACKER",
            )
        for call in calls(instance.version):
            slow = call.path in ("/actions", "/snapshot/load")
            api.call(call, START_TIMEOUT_S if slow else CALL_TIMEOUT_S)


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


def end(process: Process, signum: signal.Signals, timeout_s: float) -> bool:
    """Signal a process; whether it has ended within `timeout_s` seconds."""
    processes.signal_process(process, signum)
    return processes.wait_gone(process, timeout_s)


def remove_stale(path: str) -> None:
    """Unlink a socket that nobody listens on: Firecracker leaves its own behind, and binds over no file."""
    if listening(path) == "no":
        Path(path).unlink(missing_ok=True)
