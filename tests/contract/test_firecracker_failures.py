"""Starts of firecracker that go wrong, and what is said about them."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from case_firecracker import CASE
from driver_case import VM_ID, Bench, bench
from firecracker_lab import start_failure
from namespaces import Namespace

from vmmcompose.drivers.firecracker.driver import FirecrackerDriver
from vmmcompose.errors import DriverError
from vmmcompose.model.record import Process

pytestmark = pytest.mark.root

DRIVER = FirecrackerDriver()


@pytest.fixture
def fake(netns: Namespace) -> Iterator[Bench]:
    with bench(CASE, DRIVER) as made:
        yield made


def test_a_program_that_is_too_old_is_refused(fake: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_FC_VERSION", "1.6.3")
    error = start_failure(fake.launch())
    assert "older than Firecracker 1.7" in error.message
    assert "VMM_FIRECRACKER" in error.hint


def script(folder: Path, text: str) -> str:
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo 'seccomp went wrong' >&2; exit 148", ["exit code 148: a system call", "seccomp went wrong"]),
        ("kill -9 $$", ["killed by signal 9"]),
        ("exit 153", ["exit code 153: an argument it does not know"]),
        ("exit 0", ["exit code 0"]),
    ],
)
def test_an_early_death_is_explained(fake: Bench, text: str, said: list[str]) -> None:
    launch = fake.launch()
    error = start_failure(replace(launch, binary=script(fake.root, text)))
    for part in said:
        assert part in error.message
    assert str(fake.paths.logs(launch.spec.name)) in error.hint


@pytest.mark.parametrize("path", ["/", "/boot-source", "/actions"])
def test_a_death_while_it_is_configured_is_explained(
    fake: Bench, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("FAKE_FC_DIES_AT", path)
    error = start_failure(fake.launch())
    assert "firecracker does not answer" in error.message
    assert "exit code 149: SIGBUS" in error.message


def test_another_server_on_the_socket_is_not_taken_for_the_vm(fake: Bench) -> None:
    """Somebody else's server in the place of ours: refused at the start, unresponsive when probed."""
    launch = fake.launch()
    fake.socket().parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(fake.socket()))
        server.listen(8)
        with pytest.raises(DriverError, match="listens on"):
            DRIVER.start(launch)
        assert fake.socket().exists()
        me = Process(os.getpid(), 0, "")
        assert DRIVER.probe(fake.paths, VM_ID, me) == "gone"


def test_a_file_that_is_no_socket_is_not_deleted(fake: Bench) -> None:
    launch = fake.launch()
    fake.socket().parent.mkdir(parents=True)
    fake.socket().write_text("precious")
    with pytest.raises(Exception, match="is no socket"):
        DRIVER.start(launch)
    assert fake.socket().read_text() == "precious"


def test_an_interrupt_while_starting_leaves_nothing(fake: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_FC_START_S", "5")
    launch = fake.launch()
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        DRIVER.start(launch)
    assert fake.running() == []
    assert not fake.socket().exists()


def test_a_slow_program_is_waited_for(fake: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_FC_START_S", "1.5")
    process = DRIVER.start(fake.launch())
    assert DRIVER.probe(fake.paths, VM_ID, process) == "running"
    fake.stop(process)
