"""Requests over a Unix socket, against servers that behave and servers that do not."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vmmcompose.errors import HostError
from vmmcompose.host.unixhttp import MAX_BODY, Reply, UnixHttp, listening

Handler = Callable[[socket.socket], None]


class Server:
    """Gives every connection to `handle`, in a thread each, and keeps what was read."""

    def __init__(self, path: Path, handle: Handler) -> None:
        self.path = str(path)
        self.connections = 0
        self._handle = handle
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(self.path)
        self._socket.listen(8)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection:
            try:
                self._handle(connection)
            except OSError:
                return

    def close(self) -> None:
        with contextlib.suppress(OSError):  # closed before, by the test
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Handler], Server]]:
    servers: list[Server] = []

    def start(handle: Handler) -> Server:
        servers.append(Server(tmp_path / f"{len(servers)}.sock", handle))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def read_request(connection: socket.socket) -> tuple[str, dict[str, str], bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            raise ConnectionResetError
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65536)
    return first, headers, body


def answer(status: str, body: bytes = b"") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"HTTP/1.1 {status}\r\nServer: test\r\n{length}\r\n".encode() + body


def echo(connection: socket.socket) -> None:
    while True:
        first, headers, body = read_request(connection)
        seen = {
            "line": first,
            "host": headers["host"],
            "type": headers.get("content-type"),
            "body": body.decode(),
        }
        connection.sendall(answer("200 OK", json.dumps(seen).encode()))


def test_a_request_carries_method_path_and_json(serve: Callable[[Handler], Server]) -> None:
    server = serve(echo)
    with UnixHttp(server.path) as client:
        reply = client.send("PUT", "/drives/root", {"drive_id": "root"}, timeout_s=5)
    assert reply.status == 200
    assert reply.fields() == {
        "line": "PUT /drives/root HTTP/1.1",
        "host": "localhost",
        "type": "application/json",
        "body": '{"drive_id": "root"}',
    }


def test_an_empty_object_is_a_body_and_none_is_not(serve: Callable[[Handler], Server]) -> None:
    server = serve(echo)
    with UnixHttp(server.path) as client:
        assert client.send("PUT", "/entropy", {}, timeout_s=5).fields()["body"] == "{}"
        assert client.send("GET", "/", timeout_s=5).fields()["body"] == ""


def test_one_connection_serves_many_requests(serve: Callable[[Handler], Server]) -> None:
    def no_content(connection: socket.socket) -> None:
        while True:
            read_request(connection)
            connection.sendall(answer("204 No Content"))

    server = serve(no_content)
    with UnixHttp(server.path) as client:
        assert [client.send("PUT", "/x", {}, timeout_s=5) for _ in range(20)] == [Reply(204)] * 20
    assert server.connections == 1


def test_a_proxy_in_the_environment_sees_nothing(
    serve: Callable[[Handler], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    server = serve(echo)
    with UnixHttp(server.path) as client:
        assert client.send("GET", "/", timeout_s=5).status == 200


def test_a_redirect_is_an_answer_like_another(serve: Callable[[Handler], Server]) -> None:
    def elsewhere(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
        )

    with UnixHttp(serve(elsewhere).path) as client:
        assert client.send("GET", "/", timeout_s=5).status == 302


def test_silence_ends_at_the_deadline(serve: Callable[[Handler], Server]) -> None:
    released = threading.Event()
    server = serve(lambda connection: (read_request(connection), released.wait(30))[0] and None)
    with UnixHttp(server.path) as client, pytest.raises(HostError, match=r"GET /: no answer within 0\.2 s"):
        client.send("GET", "/", timeout_s=0.2)
    released.set()


@pytest.mark.parametrize(
    "part", [b"H", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"]
)
def test_a_byte_now_and_then_does_not_stretch_the_deadline(
    serve: Callable[[Handler], Server], part: bytes
) -> None:
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(part)
        for _ in range(600):
            if stop.wait(0.05):
                return
            connection.sendall(b"a")

    with UnixHttp(serve(drip).path) as client, pytest.raises(HostError, match="no answer within"):
        client.send("GET", "/", timeout_s=0.3)
    assert not stop.is_set()
    stop.set()


def test_an_endless_answer_is_cut(serve: Callable[[Handler], Server]) -> None:
    sent = []

    def flood(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {MAX_BODY * 50}\r\n\r\n".encode())
        for _ in range(50):
            connection.sendall(b"x" * MAX_BODY)
            sent.append(1)

    with UnixHttp(serve(flood).path) as client, pytest.raises(HostError, match="longer than"):
        client.send("GET", "/", timeout_s=20)
    assert len(sent) < 10


@pytest.mark.parametrize(
    "rubbish",
    [
        b"",
        b"\x00\xff\xfe" * 100,
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab",
    ],
)
def test_what_is_no_http_is_one_kind_of_error(serve: Callable[[Handler], Server], rubbish: bytes) -> None:
    def speak(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(rubbish)

    server = serve(speak)
    with UnixHttp(server.path) as client, pytest.raises(HostError) as caught:
        client.send("GET", "/", timeout_s=5)
    assert server.path in caught.value.message


def test_after_a_failure_the_next_request_gets_its_own_answer(serve: Callable[[Handler], Server]) -> None:
    slow = threading.Event()

    def late_first(connection: socket.socket) -> None:
        first, _, _ = read_request(connection)
        if "/slow" in first:
            slow.wait(5)
            connection.sendall(answer("200 OK", b'{"for": "slow"}'))
        else:
            connection.sendall(answer("200 OK", b'{"for": "quick"}'))

    with UnixHttp(serve(late_first).path) as client:
        with pytest.raises(HostError):
            client.send("GET", "/slow", timeout_s=0.2)
        slow.set()
        assert client.send("GET", "/quick", timeout_s=5).fields() == {"for": "quick"}


def test_nobody_there(tmp_path: Path) -> None:
    with UnixHttp(str(tmp_path / "none.sock")) as client, pytest.raises(HostError, match="No such file"):
        client.send("GET", "/", timeout_s=1)


def test_a_body_that_is_no_object_has_no_fields() -> None:
    bodies = [b"", b"[1]", b"null", b"{", b"\xff", b"[" * 100_000]
    assert [Reply(200, body).fields() for body in bodies] == [{}] * len(bodies)


def test_listening_tells_a_server_from_a_leftover(serve: Callable[[Handler], Server], tmp_path: Path) -> None:
    server = serve(echo)
    assert listening(server.path) == "yes"
    server.close()
    assert listening(server.path) == "no"
    assert listening(str(tmp_path / "none.sock")) == "absent"
    assert server.connections <= 1


def test_a_full_queue_still_listens(tmp_path: Path) -> None:
    path = str(tmp_path / "full.sock")
    held = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(0)
        for _ in range(4):
            held.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
            held[-1].connect_ex(path)
        assert listening(path) == "yes"
    for connection in held:
        connection.close()


def test_a_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.sock").write_text("precious")
    with pytest.raises(HostError, match="is no socket"):
        listening(str(tmp_path / "x.sock"))
    (tmp_path / "link.sock").symlink_to(tmp_path / "x.sock")
    with pytest.raises(HostError, match="is no socket"):
        listening(str(tmp_path / "link.sock"))


def test_importing_the_door_does_not_load_requests() -> None:
    code = "import sys, vmmcompose.host.unixhttp; sys.exit(bool({'requests', 'urllib3'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_deadline_holds_for_a_server_that_never_accepts(tmp_path: Path) -> None:
    path = str(tmp_path / "deaf.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(8)
        before = time.monotonic()
        with UnixHttp(path) as client, pytest.raises(HostError, match="no answer within"):
            client.send("GET", "/", timeout_s=0.1)
        assert time.monotonic() >= before + 0.1
