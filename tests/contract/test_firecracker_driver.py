"""What the firecracker driver does beyond the drivers' contract, with the stand-in and with a real binary."""

import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from case_firecracker import CASE, REAL
from driver_case import VM_ID, Bench, bench
from firecracker_lab import start_failure
from namespaces import Namespace
from other_user import skip_unless_others_can_run

from vmmcompose.drivers.firecracker.driver import FirecrackerDriver
from vmmcompose.errors import DriverError
from vmmcompose.host.process import alive, signal_process
from vmmcompose.model.record import Process

pytestmark = pytest.mark.root

DRIVER = FirecrackerDriver()
MANY = 50


@pytest.fixture
def fake(netns: Namespace) -> Iterator[Bench]:
    with bench(CASE, DRIVER) as made:
        yield made


@pytest.fixture(params=[CASE, REAL], ids=["stand-in", "real"])
def vmm(request: pytest.FixtureRequest, netns: Namespace) -> Iterator[Bench]:
    if request.param.missing():
        pytest.skip(request.param.missing())
    with bench(request.param, DRIVER) as made:
        yield made


def status(vmm: Bench, process: Process) -> str:
    return DRIVER.probe(vmm.paths, VM_ID, process)


def test_a_guest_that_hears_late_is_asked_again(fake: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest that is still booting takes no key: this one misses the first Ctrl+Alt+Del."""
    monkeypatch.setenv("FAKE_FC_MISSED_KEYS", "1")
    process = DRIVER.start(fake.launch())
    begin = time.monotonic()
    fake.stop(process, grace_s=60)
    assert time.monotonic() - begin < 50, "it was asked only once"
    assert not alive(process)


def test_each_vm_has_its_own_files_for_its_owner_only(vmm: Bench) -> None:
    launch = vmm.launch()
    process = DRIVER.start(launch)
    folder = Path(vmm.paths.logs(launch.spec.name))
    assert sorted(file.name for file in folder.iterdir()) == [
        "console.log",
        "driver.log",
        "firecracker.log",
        "metrics.json",
    ]
    for file in (*folder.iterdir(), vmm.socket()):
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    vmm.stop(process, grace_s=0)


def test_the_console_holds_the_guests_words_alone(vmm: Bench) -> None:
    launch = vmm.launch()
    process = DRIVER.start(launch)
    console = Path(vmm.paths.console(launch.spec.name))
    for _ in range(500):
        if console.read_text():
            break
        time.sleep(0.02)
    vmm.stop(process)
    assert console.read_text() == "tiny kernel: up\n"


def test_probing_writes_no_log(vmm: Bench) -> None:
    launch = vmm.launch()
    process = DRIVER.start(launch)
    log = Path(vmm.paths.vmm_log(launch.spec.name))
    before = log.stat().st_size
    for _ in range(5):
        assert status(vmm, process) == "running"
    assert log.stat().st_size == before
    vmm.stop(process)


def test_a_refused_request_says_which_and_why(vmm: Bench) -> None:
    launch = vmm.launch()
    Path(vmm.paths.disk(launch.spec.name)).unlink()
    error = start_failure(launch)
    assert "firecracker refused PUT /drives/rootfs" in error.message
    assert "No such file or directory" in error.message
    assert "disk image" in error.hint


def test_a_kernel_that_is_none_says_so(vmm: Bench) -> None:
    launch = vmm.launch()
    Path(launch.kernel.vmlinux).write_text("no kernel")
    assert "refused PUT /actions" in start_failure(launch).message


@pytest.mark.parametrize("version", ["1.7.0", "1.13.1", "1.14.0", "1.15.1", "1.16.0"])
def test_older_programs_are_not_asked_what_they_lack(
    fake: Bench, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setenv("FAKE_FC_VERSION", version)
    process = DRIVER.start(fake.launch())
    assert status(fake, process) == "running"
    fake.stop(process)


def test_a_vm_whose_socket_file_is_gone_is_still_not_started_twice(vmm: Bench) -> None:
    launch = vmm.launch()
    process = DRIVER.start(launch)
    vmm.socket().unlink()
    assert status(vmm, process) == "unresponsive"
    with pytest.raises(DriverError, match="runs already"):
        DRIVER.start(launch)
    vmm.stop(process, grace_s=5)
    assert not alive(process)


AS_NOBODY = """
import pickle, sys, os
paths, process = pickle.load(sys.stdin.buffer)
from vmmcompose.drivers.firecracker.driver import FirecrackerDriver
import requests, requests.adapters, urllib3.connection
os.setgid(65534); os.setuid(65534)
print(FirecrackerDriver().probe(paths, "0123456789ab", process))
"""


def test_another_user_sees_it_run(vmm: Bench) -> None:
    import pickle

    skip_unless_others_can_run()
    process = DRIVER.start(vmm.launch())
    vmm.root.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY],
        input=pickle.dumps((vmm.paths, process)),
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().strip() == "running"
    vmm.stop(process)


def test_the_stopped_process_does_not_hold_up_the_stop_for_long(vmm: Bench) -> None:
    """A hanging API is given a second, and no grace: who did not hear need not be waited for."""
    process = DRIVER.start(vmm.launch())
    signal_process(process, signal.SIGSTOP)
    begin = time.monotonic()
    vmm.stop(process, grace_s=300)
    assert time.monotonic() - begin < 60
    assert vmm.running() == []


def test_fifty_at_once(vmm: Bench) -> None:
    launches = [vmm.launch(vm_id=f"{index:02x}0000000000", reacts=False) for index in range(MANY)]
    with ThreadPoolExecutor(16) as pool:
        started = list(pool.map(DRIVER.start, launches))
        assert len({process.pid for process in started}) == MANY
        assert len(vmm.running()) == MANY
        ids = [launch.spec.id for launch in launches]
        found = list(pool.map(DRIVER.probe, [vmm.paths] * MANY, ids, started))
        assert found == ["running"] * MANY
        list(pool.map(lambda pair: vmm.stop(pair[1], 0.2, pair[0]), zip(ids, started, strict=True)))
    assert vmm.running() == []
    assert list(Path(vmm.paths.sockets()).iterdir()) == []


def test_the_driver_is_imported_without_its_libraries() -> None:
    code = (
        "import sys, vmmcompose.drivers; vmmcompose.drivers.CAPABILITIES['firecracker'];"
        "sys.exit(bool({'requests', 'urllib3', 'pyroute2', 'jsonschema'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
