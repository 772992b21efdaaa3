"""Waiting for a guest, with a real process for the VMM and real sockets for the guest."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from namespaces import Namespace
from waiting import Guest, Scene, free_port, later

from vmmcompose.errors import DriverError, Interrupted
from vmmcompose.host import watch
from vmmcompose.host.process import signal_process, wait_gone
from vmmcompose.host.ready import Waited
from vmmcompose.model.desired import Healthcheck


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    signal_process(made.process, signal.SIGKILL)
    assert wait_gone(made.process, 10)


def test_a_port_that_opens_later_ends_the_wait(scene: Scene) -> None:
    port = free_port()
    guests: list[Guest] = []
    timer = later(0.5, lambda: guests.append(Guest(b"", port=port)))
    waited = scene.wait(Healthcheck(tcp=port))
    timer.join()
    guests[0].close()
    assert waited.detail == f"tcp {port} answers"
    assert waited.seconds >= 0.4
    assert scene.phases == ["booting", f"healthcheck tcp {port}"]


def test_the_console_tells_when_the_kernel_is_up(scene: Scene) -> None:
    scene.spec = replace(scene.spec, ip="127.0.0.9")
    scene.prints("Linux version 6.1\n")
    with pytest.raises(DriverError, match=r"VM web: not ready after 0\.5 s \(phase: healthcheck tcp 9"):
        scene.wait(Healthcheck(tcp=9), timeout_s=0.5)
    assert scene.phases[:1] == ["booting"]


def test_http_waits_for_a_good_status(scene: Scene) -> None:
    bad, good = b"HTTP/1.1 503 Not yet\r\n\r\n", b"HTTP/1.1 204 Fine\r\n\r\n"
    with closing(Guest(bad, b"HTTP/1.1", b"garbage\r\n", b"", good)) as guest:
        waited = scene.wait(Healthcheck(http=f"{guest.port}/healthz", interval_s=0.05))
    assert waited.detail.endswith("answers 204")
    assert guest.heard[0].startswith(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:")


def test_http_that_stays_bad_is_told_with_its_status(scene: Scene) -> None:
    with closing(Guest(b"HTTP/1.0 500 Oh no\r\n\r\n")) as guest, pytest.raises(DriverError) as failure:
        scene.wait(Healthcheck(http=f"{guest.port}/", interval_s=0.05), timeout_s=1)
    assert f"healthcheck http {guest.port}/: status 500" in failure.value.message


@pytest.mark.root
def test_without_a_check_the_ssh_banner_counts(scene: Scene, netns: Namespace) -> None:
    with closing(Guest(b"", b"some notice\r\n", b"a line\r\nSSH-2.0-dropbear\r\n", port=22)):
        waited = scene.wait(None)
    assert waited.detail == "SSH answers"
    assert scene.phases == ["booting", "waiting for SSH"]


@pytest.mark.root
def test_a_server_that_is_no_ssh_is_quoted(scene: Scene, netns: Namespace) -> None:
    with closing(Guest(b"220 mail\r\n", port=22)), pytest.raises(DriverError, match="220 mail"):
        scene.wait(None, timeout_s=1)


@pytest.mark.root
def test_a_guest_whose_address_nobody_has_is_not_ready(scene: Scene, netns: Namespace) -> None:
    scene.spec = replace(scene.spec, ip="172.16.0.2")
    with pytest.raises(DriverError, match="Network is unreachable"):
        scene.wait(None, timeout_s=0.5)


@pytest.mark.root
def test_a_guest_is_noticed_when_its_network_comes_up(scene: Scene, netns: Namespace) -> None:
    """The guest's side of the wire stays down at first: SYNs and ARP requests go nowhere."""
    scene.spec = replace(scene.spec, ip="172.16.0.2")
    with Namespace() as guest:
        netns.run("ip", "link", "add", "br0", "type", "veth", "peer", "name", "eth0", "netns", guest.path)
        netns.run("ip", "address", "add", "172.16.0.1/16", "dev", "br0")
        netns.run("ip", "link", "set", "br0", "up")
        guest.run("ip", "link", "set", "eth0", "up")
        with guest.inside():
            listener = socket.create_server(("0.0.0.0", 22))
        timer = later(1.2, lambda: guest.run("ip", "address", "add", "172.16.0.2/16", "dev", "eth0"))

        def serve() -> None:
            while True:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                with connection:
                    connection.sendall(b"SSH-2.0-x\r\n")

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        waited = scene.wait(None)
        timer.join()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        server.join(10)
    assert waited.seconds >= 1.1


def test_the_death_of_the_vmm_ends_the_wait_at_once(scene: Scene) -> None:
    scene.prints("\x1b[32mbooting\x1b[0m\r\nKernel panic - not syncing: \x07no init\n")
    timer = later(0.3, lambda: os.kill(scene.process.pid, signal.SIGKILL))
    with pytest.raises(DriverError, match="VM web: the VM ended") as failure:
        scene.wait(Healthcheck(tcp=free_port()), timeout_s=300)
    timer.join()
    lines = failure.value.hint.splitlines()
    assert lines[1:3] == ["  booting", "  Kernel panic - not syncing: no init"]
    assert "vmm logs web" in lines[-1]


def test_a_vmm_that_is_gone_already_is_told(scene: Scene) -> None:
    other = replace(scene.process, start_time=1)
    with pytest.raises(DriverError, match="the VM ended"):
        scene.wait(None, process=other)


def test_the_vmms_last_words_are_told(scene: Scene) -> None:
    Path(scene.paths.driver_log(scene.spec.name)).write_text("qemu: out of things\n")
    with pytest.raises(DriverError) as failure:
        scene.wait(None, process=replace(scene.process, start_time=1))
    assert "its console is empty" in failure.value.hint
    assert "  qemu: out of things" in failure.value.hint


def test_cancelling_ends_the_wait(scene: Scene) -> None:
    timer = later(0.3, scene.cancelled.set)
    with pytest.raises(Interrupted, match="web"):
        scene.wait(Healthcheck(tcp=free_port()), timeout_s=300)
    timer.join()


@pytest.mark.root
def test_a_guest_that_prints_nothing_is_given_up_early(
    scene: Scene, netns: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "SILENT_START_S", 0.3)
    scene.spec = replace(scene.spec, ip="172.16.0.2")
    with pytest.raises(DriverError, match=r"printed nothing in its first 0\.3 s"):
        scene.wait(None, timeout_s=300)


@pytest.mark.root
def test_a_guest_that_falls_silent_is_given_up_early(
    scene: Scene, netns: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "SILENT_START_S", 0.1)
    monkeypatch.setattr(watch, "SILENT_LATER_S", 0.5)
    scene.spec = replace(scene.spec, ip="172.16.0.2")
    scene.prints("tsc: Unable to calibrate\n")
    timer = later(0.3, lambda: scene.prints("once more\n"))
    begin = time.monotonic()
    with pytest.raises(DriverError, match=r"hangs: it printed nothing for 1 s \(phase: kernel up"):
        scene.wait(None, timeout_s=2)
    timer.join()
    assert time.monotonic() - begin >= 1.2


def test_a_silent_guest_that_answers_is_waited_for(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SILENT_START_S", 0.1)
    with pytest.raises(DriverError, match="not ready after 1 s"):
        scene.wait(Healthcheck(tcp=free_port()), timeout_s=1)


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the SSH client, which notes what it is asked and fails as often as its file is long."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "ssh"
    program.write_text(
        f"""#!/bin/sh
for last; do :; done
echo "$last" >> {tmp_path}/asked
[ "$(wc -l < {tmp_path}/asked)" -ge 3 ] || {{ echo "not yet" >&2; exit 7; }}
"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return tmp_path / "asked"


@pytest.mark.root
def test_a_command_is_tried_until_it_succeeds(scene: Scene, ssh: Path, netns: Namespace) -> None:
    with closing(Guest(b"SSH-2.0-x\r\n", port=22)):
        waited = scene.wait(Healthcheck(command=("test", "-e", "/a b"), interval_s=0.05))
    assert waited.detail == "command test -e '/a b' succeeded"
    asked = ssh.read_text().splitlines()
    assert len(asked) == 3
    assert all(line.endswith(" test -e '/a b'") for line in asked)
    assert scene.phases[1:] == ["waiting for SSH", "healthcheck command test -e '/a b'"]


@pytest.mark.root
def test_a_command_that_fails_is_told_with_its_last_words(scene: Scene, ssh: Path, netns: Namespace) -> None:
    with closing(Guest(b"SSH-2.0-x\r\n", port=22)), pytest.raises(DriverError, match="exit 7, not yet"):
        scene.wait(Healthcheck(command=("false",), interval_s=60), timeout_s=2)


@pytest.mark.root
def test_a_vmm_that_dies_during_a_command_is_noticed(scene: Scene, ssh: Path, netns: Namespace) -> None:
    (ssh.parent / "bin" / "ssh").write_text("#!/bin/sh\nexec sleep 8\n")
    timer = later(0.5, lambda: os.kill(scene.process.pid, signal.SIGKILL))
    begin = time.monotonic()
    with closing(Guest(b"SSH-2.0-x\r\n", port=22)), pytest.raises(DriverError, match="the VM ended"):
        scene.wait(Healthcheck(command=("true",)), timeout_s=60)
    timer.join()
    assert time.monotonic() - begin < 7


@pytest.mark.root
@pytest.mark.parametrize("prints", ["", "yes & "])
def test_a_command_that_hangs_ends_with_the_wait(
    scene: Scene, ssh: Path, netns: Namespace, prints: str
) -> None:
    (ssh.parent / "bin" / "ssh").write_text(f"#!/bin/sh\necho $$ >> {ssh}\n{prints}exec sleep 777\n")
    with closing(Guest(b"SSH-2.0-x\r\n", port=22)), pytest.raises(DriverError, match="not ready after 1 s"):
        scene.wait(Healthcheck(command=("true",)), timeout_s=1)
    (client,) = ssh.read_text().split()
    assert not Path("/proc", client).exists()


def test_many_wait_at_the_same_time_and_leave_no_descriptor(scene: Scene) -> None:
    def fds() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = fds()
    done: list[Waited] = []
    with closing(Guest(b"")) as guest:
        check = Healthcheck(tcp=guest.port)
        threads = [threading.Thread(target=lambda: done.append(scene.wait(check))) for _ in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert len(done) == 50
    with pytest.raises(DriverError):
        scene.wait(Healthcheck(tcp=free_port()), timeout_s=0.3)
    assert fds() == before
