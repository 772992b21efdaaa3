"""The stand-in answers as Firecracker does: one table of requests, asked of both.

The statuses in the table were measured with Firecracker 1.16.1. Where a real binary is found it is asked
again, so that the stand-in cannot drift from it.
"""

import json
import os
from pathlib import Path

import pytest
from case_firecracker import FAKE, kvm_opens, real_binary
from firecracker_cases import CASES, Case
from firecracker_lab import Vmm
from namespaces import Namespace

pytestmark = pytest.mark.root  # a missing TAP is made by root only


def _answer(binary: str, case: Case, folder: Path) -> tuple[int, bytes]:
    with Vmm(binary, folder) as vmm:
        for request in case.before:
            status, body = vmm.send(request)
            assert status < 300, f"{request[0]} {request[1]}: {body!r}"
        return vmm.send(case.request)


def _check(case: Case, status: int, body: bytes) -> None:
    assert status == case.status, body
    if status == 204:
        assert body == b""
    elif status == 200:
        assert isinstance(json.loads(body), dict)
    elif not body.startswith(b'{ "error"'):  # what is no HTTP request gets another kind of answer
        assert list(json.loads(body)) == ["fault_message"]


def test_the_names_of_the_cases_are_their_own() -> None:
    names = [case.name for case in CASES]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_stand_in(case: Case, tmp_path: Path, netns: Namespace) -> None:
    _check(case, *_answer(str(FAKE), case, tmp_path))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_real_binary(case: Case, tmp_path: Path, netns: Namespace) -> None:
    binary = real_binary()
    if not binary:
        pytest.skip("no firecracker on PATH or in VMM_FIRECRACKER")
    if case.needs_kvm and not kvm_opens():
        pytest.skip("/dev/kvm does not open")
    _check(case, *_answer(binary, case, tmp_path))


@pytest.fixture(params=["stand-in", "real"])
def binary(request: pytest.FixtureRequest) -> str:
    path = str(FAKE) if request.param == "stand-in" else real_binary()
    if not path:
        pytest.skip("no firecracker on PATH or in VMM_FIRECRACKER")
    return path


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--version"], 0),
        (["--help"], 0),
        (["--no-such-thing"], 153),
        (["--id"], 153),
        (["--id", "a", "--id", "b"], 153),
        (["--no-api"], 153),
        (["stray"], 153),
        (["--level", "Loud"], 152),
        (["--log-path", "/nonexistent/log"], 1),
        (["--api-sock", "/nonexistent/api.sock"], 1),
        (["--id", "my_vm"], -6),
        (["--id", "a" * 65], -6),
    ],
)
def test_arguments_and_exit_codes(binary: str, arguments: list[str], code: int, tmp_path: Path) -> None:
    import resource
    import subprocess

    if "--api-sock" not in arguments:
        arguments = [*arguments, "--api-sock", str(tmp_path / "x.sock")]

    def no_core() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    done = subprocess.run(
        [binary, *arguments],
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=30,
        cwd=tmp_path,
        preexec_fn=no_core,
    )
    assert done.returncode == code, done.stdout + done.stderr
    if arguments[0] == "--version":
        assert done.stdout.startswith(b"Firecracker v1.")


def test_a_socket_file_in_the_way_stops_it(binary: str, tmp_path: Path) -> None:
    import subprocess

    with Vmm(binary, tmp_path) as first:
        first.process.terminate()
        assert first.process.wait() == -15
    assert os.path.lexists(tmp_path / "api.sock")
    arguments = [binary, "--api-sock", str(tmp_path / "api.sock")]
    second = subprocess.run(arguments, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=30)
    assert second.returncode == 1


def test_the_eleventh_connection_is_sent_away(binary: str, tmp_path: Path) -> None:
    import socket

    with Vmm(binary, tmp_path) as vmm:
        held = [socket.socket(socket.AF_UNIX) for _ in range(11)]
        for connection in held:
            connection.settimeout(20)
            connection.connect(vmm.socket)
            if connection is not held[-1]:
                connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        assert b"503" in held[-1].recv(4096)
        for connection in held:
            connection.close()


def test_a_log_is_written_over_from_its_beginning(binary: str, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x" * 100_000)
    with Vmm(binary, tmp_path) as vmm:
        assert vmm.send(("GET", "/", None))[0] == 200
    text = (tmp_path / "log").read_text()
    assert "Running Firecracker" in text[:500]
    assert len(text) == 100_000


@pytest.mark.parametrize("held", ["another process", "the same"])
def test_a_tap_has_one_holder(binary: str, tmp_path: Path, netns: Namespace, held: str) -> None:
    netns.run("ip", "tuntap", "add", "tap7", "mode", "tap")
    body = {"iface_id": "eth0", "host_dev_name": "tap7"}
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with Vmm(binary, tmp_path / "a") as first, Vmm(binary, tmp_path / "b") as second:
        assert first.send(("PUT", "/network-interfaces/eth0", body))[0] == 204
        other = second if held == "another process" else first
        status, fault = other.send(("PUT", "/network-interfaces/eth1", body | {"iface_id": "eth1"}))
        assert (status, b"busy" in fault) == (400, True), fault
    assert "tap7" in netns.run("ip", "link")
