"""Firecracker processes to talk to, real or the stand-in."""

import contextlib
import json
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, Self

import pytest
from tiny_kernel import write_tiny_kernel

from vmmcompose.drivers.base import Launch
from vmmcompose.drivers.firecracker.driver import FirecrackerDriver
from vmmcompose.errors import DriverError
from vmmcompose.host.process import scan

Request = tuple[str, str, Any]
"""Method, path and body: None for none, bytes as they are, anything else as JSON."""


def start_failure(launch: Launch) -> DriverError:
    """The error of a start that must fail; nothing may be left of it."""
    with pytest.raises(DriverError) as caught:
        FirecrackerDriver().start(launch)
    gone(launch)
    assert launch.spec.vm in caught.value.message
    return caught.value


def gone(launch: Launch) -> None:
    """Nothing of this VM runs or listens."""
    assert scan(str(launch.paths.sockets())) == []
    assert not Path(launch.paths.socket(launch.spec.id)).exists()


class Vmm:
    """A Firecracker process without our driver."""

    def __init__(self, binary: str, folder: Path) -> None:
        self.folder = folder
        self.socket = str(folder / "api.sock")
        write_tiny_kernel(folder / "kernel")
        (folder / "disk").write_bytes(bytes(1 << 20))
        (folder / "text").write_text("no kernel")
        arguments = [binary, "--api-sock", self.socket, "--id", "vmm-lab", "--log-path", str(folder / "log")]
        (folder / "log").touch()
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def __enter__(self) -> Self:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
                probe.connect(self.socket)
                return self
            time.sleep(0.002)
        raise AssertionError((self.folder / "log").read_text())

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def send(self, request: Request) -> tuple[int, bytes]:
        """Status and body of the answer to a request in which `@x` stands for the path of our file x."""
        method, path, body = request
        data = body or b""
        if not isinstance(data, bytes) or body == {}:
            data = json.dumps(self._filled(body)).encode()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(20)
            connection.connect(self.socket)
            length = f"Content-Length: {len(data)}\r\n" if data else ""
            connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n".encode() + data)
            return _read_answer(connection)

    def _filled(self, value: Any) -> Any:
        if isinstance(value, str) and value.startswith("@"):
            return str(self.folder / value[1:])
        if isinstance(value, dict):
            return {key: self._filled(part) for key, part in value.items()}
        return [self._filled(part) for part in value] if isinstance(value, list) else value


def _read_answer(connection: socket.socket) -> tuple[int, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        assert more, "the connection was closed before an answer came"
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    while len(body) < length:
        body += connection.recv(65536)
    assert b"\r\nServer: Firecracker API" in head
    return int(head.split(b" ")[1]), body
