"""QEMU's control protocol over its Unix socket: one short session per question, never without a deadline.

QEMU serves one QMP client at a time; a second one gets no greeting until the first has gone. So a session is
opened, used and closed at once. Protocol: docs/interop/qmp-spec.txt of QEMU.
"""

import json
import socket
import time
from types import TracebackType
from typing import Any, Self

from vmmcompose.errors import DriverError

_LINE_LIMIT = 1 << 20


class QmpError(DriverError):
    """QEMU refused a command, or what answers is not QEMU."""


class Qmp:
    """A session. Everything in it together may take `timeout_s` seconds.

    Raises:
        OSError: nobody answers; `TimeoutError` when somebody listens and says nothing.
        QmpError: the answer is not QMP, or an error.
    """

    def __init__(self, path: str, timeout_s: float) -> None:
        self._deadline = time.monotonic() + timeout_s
        self._buffer = b""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._limit()
            self._socket.connect(path)
            self._greet(path)
        except BlockingIOError as error:
            self._socket.close()  # the queue of waiting clients is full: the same as no answer
            raise TimeoutError(f"{path} takes no more connections") from error
        except BaseException:
            self._socket.close()
            raise

    def execute(self, command: str, **arguments: Any) -> Any:  # noqa: ANN401 - JSON, by command
        """Run a command and give what it returns. Events that come in between are dropped."""
        request = {"execute": command, "arguments": arguments} if arguments else {"execute": command}
        self._limit()
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            answer = self._read()
            if "error" in answer:
                raise QmpError(f"qemu refused {command}: {answer['error'].get('desc', '')}")
            if "return" in answer:
                return answer["return"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def _greet(self, path: str) -> None:
        if "QMP" not in self._read():
            raise QmpError(f"{path} does not speak QMP")
        self.execute("qmp_capabilities")

    def _read(self) -> dict[str, Any]:
        while b"\n" not in self._buffer:
            self._limit()
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionResetError("qemu closed its control socket")
            self._buffer += data
            if len(self._buffer) > _LINE_LIMIT:
                raise QmpError("qemu's answer has no end")
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            answer = json.loads(line)
        except ValueError as error:
            raise QmpError("the answer of qemu's control socket is not JSON") from error
        if not isinstance(answer, dict):
            raise QmpError("the answer of qemu's control socket is not an object")
        return answer

    def _limit(self) -> None:
        """Give the next system call what is left of the time."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("qemu did not answer in time")
        self._socket.settimeout(left)
