"""Firecracker's API as this driver uses it: requests, and refusals as errors that say what to do next."""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from vmmcompose.drivers.firecracker.config import PAUSE, PRESS_KEYS, RESUME, Call, Version, parse_version
from vmmcompose.errors import DriverError, HostError
from vmmcompose.host.unixhttp import NotPermitted, Reply, UnixHttp

CALL_TIMEOUT_S = 10.0
START_TIMEOUT_S = 60.0
"""InstanceStart reads kernel and initrd into the guest's memory; on a busy disk that takes a while."""
SNAPSHOT_TIMEOUT_S = 1800.0
"""A guest's whole memory goes to the disk: 32 GiB at 20 MB/s."""

_HINTS = {
    "boot-source": "the kernel must be a readable ELF vmlinux; `vmm kernel list` shows what there is",
    "drives": "is the disk image there, and not a folder or a special file?",
    "network-interfaces": "does another process hold the TAP? `vmm plan` shows what is wrong with it",
    "snapshot": "is the disk full (`df -h`)? The VM's log folder holds what firecracker says of it",
    "actions": "`vmm doctor` shows whether this host can run guests with KVM",
}


@dataclass(frozen=True, slots=True)
class Instance:
    """What a Firecracker process says of itself. `state` is `Not started`, `Running` or `Paused`."""

    id: str
    state: str
    version: Version | None


class FirecrackerApi:
    """One VMM's API. `who` names the VM in errors; `NotPermitted` is raised where the socket is another user's."""

    def __init__(self, socket_path: str, who: str) -> None:
        self._http = UnixHttp(socket_path)
        self._who = who

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def instance(self, timeout_s: float = CALL_TIMEOUT_S) -> Instance:
        """Who answers, in which state and version.

        Raises:
            DriverError: nobody answers in time, or not as Firecracker does.
        """
        fields = self._send(Call("GET", "/"), timeout_s).fields()
        state, name, version = (fields.get(key) for key in ("state", "id", "vmm_version"))
        if not isinstance(state, str) or not isinstance(name, str) or not isinstance(version, str):
            raise DriverError(f"{self._who}: what answers on its control socket is not Firecracker")
        return Instance(id=name, state=state, version=parse_version(version))

    def call(self, call: Call, timeout_s: float = CALL_TIMEOUT_S) -> None:
        """Send one request.

        Raises:
            DriverError: Firecracker refused it, or did not answer in time.
        """
        self._send(call, timeout_s)

    def pause(self) -> None:
        """Stop the guest's CPUs where they are.

        Raises:
            DriverError: refused, or no answer.
        """
        self._send(PAUSE, CALL_TIMEOUT_S)

    def resume(self, timeout_s: float = CALL_TIMEOUT_S) -> None:
        """Let a paused guest's CPUs run on.

        Raises:
            DriverError: refused, or no answer.
        """
        self._send(RESUME, timeout_s)

    def ctrl_alt_del(self, timeout_s: float) -> None:
        """Press Ctrl+Alt+Del on the guest's keyboard (x86 only); an ordinary guest reboots and the VMM ends.

        Raises:
            DriverError: refused, or no answer.
        """
        self._send(PRESS_KEYS, timeout_s)

    def _send(self, call: Call, timeout_s: float) -> Reply:
        body = None if call.method == "GET" else call.body
        try:
            reply = self._http.send(call.method, call.path, body, timeout_s=timeout_s)
        except NotPermitted:
            raise
        except HostError as error:
            raise DriverError(f"{self._who}: firecracker does not answer: {error.message}") from error
        if reply.status in {200, 204}:
            return reply
        fault = str(reply.fields().get("fault_message") or f"status {reply.status}")
        hint = _HINTS.get(call.path.split("/")[1], "")
        message = f"{self._who}: firecracker refused {call.method} {call.path}: {_one_line(fault)}"
        raise DriverError(message, hint=hint)


def _one_line(text: str, limit: int = 500) -> str:
    """A foreign text made fit for a terminal: one line, no control characters, not endless."""
    plain = "".join(character if character.isprintable() else " " for character in text[: limit + 1])
    return plain if len(plain) <= limit else plain[:limit] + "…"
