"""What every driver promises, tried on the real program (or its stand-in) with a guest of a few bytes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from driver_case import VM_ID, Bench

from vmmcompose.drivers.base import Launch
from vmmcompose.errors import DriverError, HostError
from vmmcompose.host.process import alive, boot_id, identify, scan, signal_process, wait_gone
from vmmcompose.model.observed import Kernel
from vmmcompose.model.record import Process

pytestmark = pytest.mark.root

OTHER_ID = "ba9876543210"


def console_says(vmm: Bench, launch: Launch, text: str) -> None:
    console = Path(vmm.paths.console(launch.spec.name))
    for _ in range(500):
        if console.exists() and text in console.read_text(errors="replace"):
            return
        time.sleep(0.02)
    pytest.fail(f"{console} never said {text!r}")


def assert_nothing_left(vmm: Bench) -> None:
    assert vmm.running() == []
    assert not vmm.socket().exists()


def test_a_guest_runs_and_ends_when_asked(vmm: Bench) -> None:
    launch = vmm.launch()
    process = vmm.driver.start(launch)
    assert vmm.driver.probe(vmm.paths, launch.spec.id, process) == "running"
    assert [(found.vm_id, found.driver) for found in scan(str(vmm.paths.sockets()))] == [
        (launch.spec.id, vmm.case.name)
    ]
    console_says(vmm, launch, vmm.case.guest_text)
    begin = time.monotonic()
    vmm.stop(process, grace_s=60)
    assert time.monotonic() - begin < 50, "the guest was not asked, or not heard"
    assert vmm.driver.probe(vmm.paths, launch.spec.id, process) == "gone"
    assert_nothing_left(vmm)


def test_a_deaf_guest_is_ended_by_force(vmm: Bench) -> None:
    launch = vmm.launch(reacts=False)
    process = vmm.driver.start(launch)
    console_says(vmm, launch, vmm.case.guest_text)
    begin = time.monotonic()
    vmm.stop(process, grace_s=1)
    assert time.monotonic() - begin >= 1, "the guest was not given its time"
    assert_nothing_left(vmm)


def test_a_stopped_process_is_unresponsive_and_is_ended(vmm: Bench) -> None:
    process = vmm.driver.start(vmm.launch())
    signal_process(process, signal.SIGSTOP)
    assert vmm.driver.probe(vmm.paths, VM_ID, process) == "unresponsive"
    vmm.stop(process, grace_s=1)
    assert_nothing_left(vmm)


def test_a_second_start_is_refused_and_harms_nothing(vmm: Bench) -> None:
    launch = vmm.launch()
    process = vmm.driver.start(launch)
    with pytest.raises(HostError, match=launch.spec.vm):
        vmm.driver.start(launch)
    assert vmm.driver.probe(vmm.paths, launch.spec.id, process) == "running"
    assert vmm.running() == [process]
    vmm.stop(process)


def test_a_socket_that_a_killed_vmm_left_is_no_obstacle(vmm: Bench) -> None:
    launch = vmm.launch()
    first = vmm.driver.start(launch)
    signal_process(first, signal.SIGKILL)
    assert wait_gone(first, 10)
    assert vmm.socket().exists()
    second = vmm.driver.start(launch)
    assert vmm.driver.probe(vmm.paths, launch.spec.id, second) == "running"
    vmm.stop(first)  # late, and of the process before
    assert vmm.driver.probe(vmm.paths, launch.spec.id, second) == "running"
    vmm.stop(second)


def test_stopping_twice_and_probing_the_dead_is_fine(vmm: Bench) -> None:
    launch = vmm.launch()
    process = vmm.driver.start(launch)
    vmm.stop(process, grace_s=0)
    vmm.stop(process, grace_s=5)
    assert vmm.driver.probe(vmm.paths, launch.spec.id, process) == "gone"
    assert_nothing_left(vmm)


def test_somebody_elses_process_is_never_touched(vmm: Bench) -> None:
    with subprocess.Popen(["sleep", "60"]) as bystander:
        now = identify(bystander.pid)
        assert now is not None
        for stale in (replace(now, start_time=now.start_time - 1), replace(now, boot_id="another")):
            assert vmm.driver.probe(vmm.paths, OTHER_ID, stale) == "gone"
            vmm.stop(stale, grace_s=1, vm_id=OTHER_ID)
        assert alive(now)
        bystander.kill()


def without_kernel(launch: Launch) -> Launch:
    return replace(launch, kernel=Kernel("default", bzimage="/nowhere/bzImage", vmlinux="/nowhere/vmlinux"))


def with_a_text_as_kernel(launch: Launch) -> Launch:
    path = launch.kernel.bzimage or launch.kernel.vmlinux
    Path(path).write_text("this is no kernel\n" * 100)
    return launch


def without_disk(launch: Launch) -> Launch:
    Path(launch.paths.disk(launch.spec.name)).unlink()
    return launch


def without_tap(launch: Launch) -> Launch:
    subprocess.run(["ip", "link", "delete", launch.spec.tap], check=True)
    return launch


def without_binary(launch: Launch) -> Launch:
    return replace(launch, binary="/nowhere/vmm-program")


def with_a_text_as_binary(launch: Launch) -> Launch:
    path = Path(launch.paths.vm_dir(launch.spec.name)) / "program"
    path.write_text("neither ELF nor script\n")
    path.chmod(0o755)
    return replace(launch, binary=str(path))


def with_a_binary_that_only_ends(launch: Launch) -> Launch:
    return replace(launch, binary="/bin/false")


@pytest.mark.parametrize(
    "spoil",
    [
        without_kernel,
        with_a_text_as_kernel,
        without_disk,
        without_tap,
        without_binary,
        with_a_text_as_binary,
        with_a_binary_that_only_ends,
    ],
)
def test_a_start_that_fails_leaves_nothing(vmm: Bench, spoil: Callable[[Launch], Launch]) -> None:
    launch = vmm.launch()
    with pytest.raises(HostError) as failure:
        vmm.driver.start(spoil(launch))
    assert launch.spec.vm in failure.value.message
    assert failure.value.hint
    assert_nothing_left(vmm)


def test_a_tap_in_use_is_told(vmm: Bench) -> None:
    first, second = vmm.launch(), vmm.launch(vm_id=OTHER_ID)
    process = vmm.driver.start(first)
    with pytest.raises(DriverError, match=r"(?i)busy"):
        vmm.driver.start(replace(second, spec=replace(second.spec, tap=first.spec.tap)))
    assert vmm.running() == [process]
    vmm.stop(process)


def test_a_disk_in_use_is_told(vmm: Bench) -> None:
    if not vmm.case.locks_disks:
        pytest.skip(f"{vmm.case.name} does not lock disks")
    first, second = vmm.launch(), vmm.launch(vm_id=OTHER_ID)
    disk = Path(vmm.paths.disk(second.spec.name))
    disk.unlink()
    disk.symlink_to(vmm.paths.disk(first.spec.name))
    process = vmm.driver.start(first)
    with pytest.raises(DriverError) as failure:
        vmm.driver.start(second)
    assert "disk" in failure.value.hint
    assert vmm.running() == [process]
    vmm.stop(process)


def test_a_socket_path_that_is_too_long_is_told(vmm: Bench) -> None:
    launch = vmm.launch()
    long = replace(launch.paths, root=launch.paths.root / ("x" * 100))
    with pytest.raises((HostError, ValueError), match="longer than"):
        vmm.driver.start(replace(launch, paths=long))
    assert_nothing_left(vmm)


STARTER = """
import pickle, sys, time
from vmmcompose.drivers import driver
launch = pickle.load(sys.stdin.buffer)
print(driver(launch.spec.driver).start(launch).pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_a_vm_outlives_whoever_started_it(vmm: Bench, signum: signal.Signals) -> None:
    import pickle

    launch = vmm.launch()
    with subprocess.Popen(
        [sys.executable, "-c", STARTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as starter:
        assert starter.stdin is not None
        assert starter.stdout is not None
        starter.stdin.write(pickle.dumps(launch))
        starter.stdin.close()
        process = identify(int(starter.stdout.readline()))
        os.killpg(starter.pid, signum)
        starter.wait(10)
    assert process is not None
    assert vmm.driver.probe(vmm.paths, launch.spec.id, process) == "running"
    assert os.getsid(process.pid) == process.pid
    vmm.stop(process)
    assert_nothing_left(vmm)


def test_a_vm_that_dies_is_seen_by_the_one_that_started_it(vmm: Bench) -> None:
    launch = vmm.launch()
    process = vmm.driver.start(launch)
    os.kill(process.pid, signal.SIGKILL)
    assert wait_gone(process, 10)
    assert not alive(process)
    assert vmm.driver.probe(vmm.paths, launch.spec.id, process) == "gone"
    assert scan(str(vmm.paths.sockets())) == []
    vmm.stop(process)
    assert_nothing_left(vmm)


def test_each_boot_begins_its_own_logs(vmm: Bench) -> None:
    launch = vmm.launch()
    for _ in range(2):
        process = vmm.driver.start(launch)
        console_says(vmm, launch, vmm.case.guest_text)
        vmm.stop(process, grace_s=0)
    console = Path(vmm.paths.console(launch.spec.name))
    assert console.read_text().count(vmm.case.guest_text) == 1
    assert Path(f"{console}.1").read_text().count(vmm.case.guest_text) == 1
    assert console.stat().st_mode & 0o077 == 0


def test_a_process_of_another_boot_is_gone(vmm: Bench) -> None:
    mine = identify(os.getpid())
    assert mine is not None
    assert mine.boot_id == boot_id()
    other = Process(pid=mine.pid, start_time=mine.start_time, boot_id="00000000-0000-0000-0000-000000000000")
    assert vmm.driver.probe(vmm.paths, OTHER_ID, other) == "gone"


def test_a_guest_is_paused_and_resumed(vmm: Bench) -> None:
    process = vmm.driver.start(vmm.launch())
    for _ in range(2):
        vmm.driver.pause(vmm.paths, VM_ID)
        assert vmm.driver.probe(vmm.paths, VM_ID, process) == "paused"
    for _ in range(2):
        vmm.driver.resume(vmm.paths, VM_ID)
        assert vmm.driver.probe(vmm.paths, VM_ID, process) == "running"
    vmm.stop(process)


def test_a_paused_guest_is_asked_to_end_too(vmm: Bench) -> None:
    launch = vmm.launch()
    process = vmm.driver.start(launch)
    console_says(vmm, launch, vmm.case.guest_text)
    vmm.driver.pause(vmm.paths, VM_ID)
    begin = time.monotonic()
    vmm.stop(process, grace_s=60)
    assert time.monotonic() - begin < 50, "the guest was not let run"
    assert not alive(process)


def test_pausing_what_does_not_run_is_an_error(vmm: Bench) -> None:
    with pytest.raises(DriverError):
        vmm.driver.pause(vmm.paths, VM_ID)
