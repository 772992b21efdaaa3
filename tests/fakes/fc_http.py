"""The HTTP side of the stand-in for Firecracker: one thread, at most ten connections, keep-alive."""

import select
import socket
from typing import Protocol

from fc_requests import Answer

_MAX_CONNECTIONS = 10
_MAX_LINE = 1024
_REASONS = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    413: "Payload Too Large",
    503: "Service Unavailable",
}
_TOO_MANY = b'{ "error": "Too many open connections" }'


class Machine(Protocol):
    """What answers the requests."""

    def handle(self, method: str, path: str, body: bytes) -> Answer: ...

    def tick(self) -> float | None:
        """Let time pass in the guest; seconds until it matters again, or a negative number at its end."""


class Server:
    """Listens on a Unix socket whose file must not exist yet."""

    def __init__(self, path: str, machine: Machine, max_body: int) -> None:
        self._machine = machine
        self._max_body = max_body
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(128)
        self._poll = select.poll()
        self._poll.register(self._listener, select.POLLIN)
        self._connections: dict[int, tuple[socket.socket, bytes]] = {}

    def run(self) -> None:
        """Serve until the guest has ended."""
        while True:
            wait = self._machine.tick()
            if wait is not None and wait < 0:
                return
            for descriptor, _ in self._poll.poll(None if wait is None else wait * 1000 + 1):
                if descriptor == self._listener.fileno():
                    self._accept()
                else:
                    self._read(descriptor)

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        if len(self._connections) >= _MAX_CONNECTIONS:
            connection.sendall(_response(503, _TOO_MANY, close=True))
            connection.close()
            return
        self._connections[connection.fileno()] = connection, b""
        self._poll.register(connection, select.POLLIN)

    def _read(self, descriptor: int) -> None:
        connection, held = self._connections[descriptor]
        try:
            data = connection.recv(65536)
            if not data:
                return self._drop(descriptor)
            rest = self._serve(connection, held + data)
        except OSError:
            return self._drop(descriptor)
        self._connections[descriptor] = connection, rest
        return None

    def _drop(self, descriptor: int) -> None:
        connection, _ = self._connections.pop(descriptor)
        self._poll.unregister(descriptor)
        connection.close()

    def _serve(self, connection: socket.socket, data: bytes) -> bytes:
        """Answer every whole request in `data`; what is left of it."""
        while b"\r\n\r\n" in data:
            head, _, rest = data.partition(b"\r\n\r\n")
            try:
                method, path, length = _parse_head(head, self._max_body)
            except ValueError as error:
                connection.sendall(_response(400, f'{{ "error": "{error}" }}'.encode()))
                return b""
            if len(rest) < length:
                return data
            answer = self._machine.handle(method, path, rest[:length])
            connection.sendall(_response(answer.status, answer.body))
            data = rest[length:]
        return data


def _parse_head(head: bytes, max_body: int) -> tuple[str, str, int]:
    first, *lines = head.split(b"\r\n")
    parts = first.split(b" ")
    if len(parts) != 3 or parts[2] not in {b"HTTP/1.0", b"HTTP/1.1"}:
        raise ValueError("no HTTP request")
    method, target = parts[0].decode("ascii", "replace"), parts[1].decode("ascii", "replace")
    if method not in {"GET", "PUT", "PATCH", "DELETE"} or not target.startswith("/"):
        raise ValueError("no method or path of this API")
    length = 0
    for line in lines:
        name, _, value = line.partition(b":")
        if len(line) > _MAX_LINE:
            raise ValueError("a header line is too long")
        if name.strip().lower() == b"content-length":
            if not value.strip().isdigit():
                raise ValueError("no content length")
            length = int(value)
    if length > max_body:
        raise ValueError(f"a body of {length} bytes is over the limit of {max_body}")
    return method, target, length


def _response(status: int, body: bytes, *, close: bool = False) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS[status]}", "Server: Firecracker API"]
    lines.append("Connection: close" if close else "Connection: keep-alive")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body
