"""Finding VMM processes by their arguments, on real processes."""

import signal
import sys
import time
from pathlib import Path

import pytest
from other_user import as_nobody

from vmmcompose.host import process as processes
from vmmcompose.host.process import signal_process, spawn, wait_gone

FIRECRACKER = ["--id", "vmm-x", "--api-sock", "{}"]
QEMU = ["-name", "vmm-x", "-qmp", "unix:{},server=on,wait=off"]


@pytest.mark.parametrize(
    ("folder", "arguments", "driver"),
    [
        ("sockets", FIRECRACKER, "firecracker"),
        ("sockets", ["--api-sock={}", "--no-seccomp"], "firecracker"),
        ("sockets", QEMU, "qemu"),
        ("a folder, with (odd) [signs]", QEMU, "qemu"),
    ],
)
def test_a_scan_finds_our_processes(tmp_path: Path, folder: str, arguments: list[str], driver: str) -> None:
    sockets = tmp_path / folder
    path = str(sockets / "0123456789ab.sock")
    if driver == "qemu":
        path = path.replace(",", ",,")
    argv = [sys.executable, "-c", "import time; time.sleep(60)", *(text.format(path) for text in arguments)]
    process = spawn(argv, log_path=str(tmp_path / "log"))
    try:
        for _ in range(500):  # until the exec is done
            found = processes.scan(str(sockets))
            if found:
                break
            time.sleep(0.01)
        assert [(one.vm_id, one.driver, one.process) for one in found] == [("0123456789ab", driver, process)]
        assert processes.scan(f"{sockets}/") == found
        assert processes.scan(str(tmp_path)) == []
    finally:
        signal_process(process, signal.SIGKILL)
        assert wait_gone(process, 10)
    assert processes.scan(str(sockets)) == []


@pytest.mark.parametrize(
    "argument",
    [
        "{}/0123456789ab.sock",
        "unix:{}/0123456789ab.sock",
        "--api-sock={}/0123456789AB.sock",
        "--api-sock={}/../0123456789ab.sock",
        "--api-sock={}/0123456789abc.sock",
        "--api-sock=x{}/0123456789ab.sock",
        "--api-sock={}/0123456789ab.sockx",
    ],
)
def test_a_scan_leaves_others_alone(tmp_path: Path, argument: str) -> None:
    argv = [
        sys.executable,
        "-c",
        "import time; print('up', flush=True); time.sleep(60)",
        argument.format(tmp_path),
    ]
    log = tmp_path / "log"
    process = spawn(argv, log_path=str(log))
    try:
        for _ in range(500):
            if log.read_text():
                break
            time.sleep(0.01)
        assert log.read_text() == "up\n"
        assert processes.scan(str(tmp_path)) == []
    finally:
        signal_process(process, signal.SIGKILL)
        assert wait_gone(process, 10)


@pytest.mark.root
def test_a_scan_by_another_user_finds_roots_processes(tmp_path: Path) -> None:
    if "hidepid=" in Path("/proc/mounts").read_text():
        pytest.skip("a /proc without hidepid is missing")
    arguments = [text.format("/sockets/0123456789ab.sock") for text in FIRECRACKER]
    log = tmp_path / "log"
    code = "import time; print('up', flush=True); time.sleep(60)"
    process = spawn([sys.executable, "-c", code, *arguments], log_path=str(log))
    try:
        for _ in range(500):
            if log.read_text():
                break
            time.sleep(0.01)
        seen = as_nobody("from vmmcompose.host.process import scan; print(scan('/sockets')[0].process.pid)")
        assert seen == str(process.pid)
    finally:
        signal_process(process, signal.SIGKILL)
        assert wait_gone(process, 10)
