"""The door to HTTP servers that listen on a Unix socket, such as a VMM's API.

`requests` speaks the protocol; here it gets a connection pool whose sockets lead to a file instead of an
address, and a deadline for a whole exchange: its own timeouts hold for one read, and a peer that sends a byte
now and then would hold a caller for ever. The peer is a process with a guest in it, so it is not trusted with
our time or memory. `requests` is loaded when a client is opened, not when this module is imported.
"""

import errno
import functools
import json
import os
import socket
import stat
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from vmmcompose.errors import HostError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer
    from requests import PreparedRequest
    from requests.adapters import HTTPAdapter

MAX_BODY = 1 << 20
"""Bytes of an answer that are read at most."""
_LOCALHOST = "http://localhost"
"""What the requests name as their host; the socket decides where they go."""


class NotPermitted(HostError):
    """The socket is there, but this user may not connect to it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer."""

    status: int
    body: bytes = b""

    def fields(self) -> dict[str, Any]:
        """The body as a JSON object; empty when it is something else."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


class Deadline:
    """A point in time that every socket of a client obeys."""

    __slots__ = ("_at",)

    def __init__(self) -> None:
        self._at = 0.0

    def restart(self, timeout_s: float) -> None:
        """Set the deadline `timeout_s` seconds from now."""
        self._at = time.monotonic() + timeout_s

    def left_s(self) -> float:
        """Seconds left.

        Raises:
            TimeoutError: none.
        """
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


class UnixHttp:
    """A client of one socket; its connection is kept between requests. Not for several threads at once."""

    def __init__(self, path: str) -> None:
        from requests import Session

        self._path = path
        self._deadline = Deadline()
        self._session = Session()
        self._session.trust_env = False  # a proxy in the environment must not see this traffic
        self._session.mount(_LOCALHOST, _adapter(path, self._deadline))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def send(self, method: str, target: str, body: object = None, *, timeout_s: float) -> Reply:
        """Send a request, with `body` as JSON where there is one, and read the whole answer.

        Nothing is sent twice: no redirect is followed and no request repeated.

        Raises:
            NotPermitted: this user may not connect.
            HostError: nobody listens, the exchange took longer than `timeout_s` seconds in all, the answer is
                no HTTP, or it is longer than `MAX_BODY` bytes.
        """
        from requests import Request, RequestException
        from urllib3.exceptions import HTTPError

        self._deadline.restart(timeout_s)
        try:
            request = self._session.prepare_request(Request(method, _LOCALHOST + target, json=body))
            return self._exchange(request, timeout_s)
        except (RequestException, HTTPError, OSError, ValueError) as error:
            raise _translated(error, f"{self._path}: {method} {target}", timeout_s) from error

    def _exchange(self, request: "PreparedRequest", timeout_s: float) -> Reply:
        answer = self._session.send(request, stream=True, allow_redirects=False, timeout=timeout_s)
        with answer:
            content = bytearray()
            for part in answer.raw.stream(65536, decode_content=False):
                content += part
                if len(content) > MAX_BODY:
                    raise ValueError(f"the answer is longer than {MAX_BODY} bytes")
        return Reply(status=answer.status_code, body=bytes(content))


Listening = Literal["yes", "no", "absent"]


def listening(path: str) -> Listening:
    """Whether a process listens on a socket: `no` for a file that nobody answers on, `absent` without a file.

    Nothing is sent. A stopped process still listens: the kernel queues the connection.

    Raises:
        NotPermitted: this user may not connect, or not even see the folder.
        HostError: the path is no socket.
    """
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise HostError(f"{path} is no socket", hint="move it away; vmm puts a control socket there")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
            refused = probe.connect_ex(path)
    except FileNotFoundError:
        return "absent"
    except OSError as error:
        raise _translated(error, path, 0) from error
    known: dict[int, Listening] = {
        0: "yes",
        errno.EAGAIN: "yes",
        errno.ECONNREFUSED: "no",
        errno.ENOENT: "absent",
    }
    if refused in known:
        return known[refused]
    raise _translated(OSError(refused, os.strerror(refused)), path, 0)


def _translated(error: BaseException, what: str, timeout_s: float) -> HostError:
    """An error of ours from the root of a chain of wrapped exceptions."""
    root: BaseException = error
    for _ in range(10):
        inner = root.__cause__ or root.__context__ or _wrapped(root)
        if inner is None:
            break
        root = inner
    if isinstance(root, PermissionError):
        return NotPermitted(f"{what}: {root.strerror}", hint="run the command as root, e.g. with sudo")
    if isinstance(root, TimeoutError) or "timed out" in str(root):
        return HostError(f"{what}: no answer within {timeout_s:g} s")
    if isinstance(root, OSError) and root.strerror:
        return HostError(f"{what}: {root.strerror}")
    return HostError(f"{what}: {str(root) or type(root).__name__}")


def _wrapped(error: BaseException) -> BaseException | None:
    """The exception that requests or urllib3 hands on as an argument."""
    return next((part for part in error.args if isinstance(part, BaseException)), None)


def _adapter(path: str, deadline: Deadline) -> "HTTPAdapter":
    """A transport of requests whose connections all lead to the socket at `path`."""
    adapter: HTTPAdapter = _adapter_class()(path, deadline)
    return adapter


@functools.cache
def _adapter_class() -> "type[Any]":
    """Made on first use, as its bases are loaded only then."""
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPConnectionPool
    from urllib3.connection import HTTPConnection

    class Connection(HTTPConnection):
        """An HTTP connection over a Unix socket."""

        unix_path: str
        deadline: Deadline

        def _new_conn(self) -> socket.socket:
            return _connect(self.unix_path, self.deadline)

    class Pool(HTTPConnectionPool):
        """A pool that tells its connections where to go."""

        def __init__(self, path: str, deadline: Deadline) -> None:
            super().__init__("localhost", maxsize=1)
            self._unix_path = path
            self._deadline = deadline

        def _new_conn(self) -> Connection:
            connection = Connection(host="localhost")
            connection.unix_path = self._unix_path
            connection.deadline = self._deadline
            return connection

    class Adapter(HTTPAdapter):
        """An adapter with exactly one pool."""

        def __init__(self, path: str, deadline: Deadline) -> None:
            super().__init__(max_retries=0)
            self._pool = Pool(path, deadline)

        def get_connection_with_tls_context(self, *_args: object, **_kwargs: object) -> Pool:
            """What requests 2.32 and newer calls."""
            return self._pool

        def get_connection(self, *_args: object, **_kwargs: object) -> Pool:
            """What older ones call."""
            return self._pool

        def close(self) -> None:
            """Close the connection."""
            self._pool.close()
            super().close()

    return Adapter


class _DeadlineSocket(socket.socket):
    """A socket that waits, whatever it does, no longer than is left until the deadline."""

    deadline: Deadline

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int = 0, flags: int = 0) -> int:
        super().settimeout(self.deadline.left_s())
        return super().recv_into(buffer, nbytes, flags)

    def sendall(self, data: "ReadableBuffer", flags: int = 0) -> None:
        super().settimeout(self.deadline.left_s())
        super().sendall(data, flags)


def _connect(path: str, deadline: Deadline) -> socket.socket:
    connection = _DeadlineSocket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.deadline = deadline
    try:
        connection.settimeout(deadline.left_s())
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection
