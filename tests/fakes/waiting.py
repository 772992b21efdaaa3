"""A VM that only seems to be one: a sleeping process, the loopback address, and a listener that answers as told."""

import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from driver_case import make_spec

from vmmcompose.host.process import spawn
from vmmcompose.host.ready import Waited, wait_ready
from vmmcompose.model.desired import Healthcheck
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Process


class Scene:
    """One VM: a sleeping process for the VMM, the loopback address for the guest."""

    def __init__(self, root: Path) -> None:
        self.paths = Paths(PurePosixPath(root))
        self.spec = make_spec("qemu", vm="web", ip="127.0.0.1")
        Path(self.paths.logs(self.spec.name)).mkdir(parents=True)
        self.process = spawn(["sleep", "300"], log_path=str(root / "log"))
        self.phases: list[str] = []
        self.cancelled = threading.Event()

    def prints(self, text: str) -> None:
        with Path(self.paths.console(self.spec.name)).open("a") as console:
            console.write(text)

    def wait(
        self, check: Healthcheck | None, timeout_s: float = 30, process: Process | None = None
    ) -> Waited:
        return wait_ready(
            self.paths,
            replace(self.spec, healthcheck=check),
            process or self.process,
            timeout_s=timeout_s,
            on_phase=self.phases.append,
            cancelled=self.cancelled,
        )


class Guest:
    """A listener that answers each connection as told; `{n}` answers follow one another, the last one stays."""

    def __init__(self, *answers: bytes, port: int = 0) -> None:
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self.listener.getsockname()[1]
        self.answers = list(answers)
        self.heard: list[bytes] = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if answer.startswith(b"HTTP"):
                    self.heard.append(connection.recv(4096))
                connection.sendall(answer)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)


def later(seconds: float, action: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
