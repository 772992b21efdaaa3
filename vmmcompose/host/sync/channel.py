"""The connection to a guest's shell that `guest/syncscript.py` keeps busy: lines and blocks there, answers back."""

import os
import re
import secrets
import select
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Self

from vmmcompose.errors import HostError, HostUnfit, NoSpace
from vmmcompose.guest import syncscript
from vmmcompose.host.console import clean
from vmmcompose.host.files import failed

_CHUNK = 1 << 18
_PIECE = 1 << 16
_SILENCE_S = 60.0
"""How long neither side may get anything across. A guest that unpacks a big file is slow, not silent for so long."""
_STALL_S = 2.0
_END_S = 3.0
_ANSWER_LIMIT = 512 << 20
"""Bytes; a million files with long names."""
Argv = Callable[[tuple[str, ...]], list[str]]
"""Makes the command line that runs a command in the guest."""


class Cut(HostError):
    """A stream from the guest ended before it should."""


class Failed(HostError):
    """A command in the guest failed."""


class Channel:
    """A shell in a guest, in one folder, for as long as the channel is open."""

    def __init__(self, argv: Argv, folder: str, vm: str) -> None:
        self._vm = vm
        self._token = secrets.token_hex(8)
        self.token = self._token
        command = ("sh", "-c", syncscript.LOOP, "sh", folder, self._token)
        try:
            # In a session of its own: Ctrl-C ends a transfer through us, when what is on its way has been cleared.
            self._ssh = subprocess.Popen(
                argv(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise HostUnfit("ssh is not installed", hint="install the package openssh-client") from error
        except OSError as error:
            raise failed("cannot start ssh", error) from error
        assert self._ssh.stdin
        assert self._ssh.stdout
        assert self._ssh.stderr
        self._into, self._out = self._ssh.stdin.fileno(), self._ssh.stdout.fileno()
        self._err = self._ssh.stderr.fileno()
        for descriptor in (self._into, self._out, self._err):
            os.set_blocking(descriptor, False)
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)
        self._poll.register(self._err, select.POLLIN)
        self._buffer = bytearray()
        self._said: deque[str] = deque(maxlen=3)
        self._end = re.compile(rb"\n%s (\d+)\n" % self._token.encode())

    def __enter__(self) -> Self:
        try:
            self.answer()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the shell in the guest, which removes what it had not put into place, and the connection."""
        assert self._ssh.stdin
        if self._ssh.poll() is None:
            self._ssh.stdin.close()
            try:
                self._ssh.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._ssh.kill()
                self._ssh.wait()
        for pipe in (self._ssh.stdin, self._ssh.stdout, self._ssh.stderr):
            if pipe is not None:
                pipe.close()

    def fileno(self) -> int:
        """Readable when the connection has ended, as nothing is printed unasked."""
        return self._out

    def run(self, texts: Iterable[str]) -> bytes:
        """Runs lines one after the other; what they print, together.

        Raises:
            Failed: one failed; the message is what it printed.
            HostError: the connection is gone.
        """
        return b"".join(self.ask(text) for text in texts)

    def ask(self, text: str) -> bytes:
        """Runs a line; what it prints. Raises as `run`."""
        self.tell(text)
        return self.answer()

    def tell(self, text: str) -> None:
        """Has a line run; its answer is to be taken later."""
        self.write(syncscript.line(self._token, text))

    def write(self, data: bytes) -> None:
        """Sends bytes that a line reads. Raises HostError where the connection is gone."""
        view = memoryview(data)
        self._poll.register(self._into, select.POLLOUT)
        try:
            while view:
                ready = self._wait()
                if self._into in ready:
                    try:
                        view = view[os.write(self._into, view[:_CHUNK]) :]
                    except BlockingIOError:
                        continue
                    except BrokenPipeError:
                        self._read_rest()
        finally:
            self._poll.unregister(self._into)

    def answer(self) -> bytes:
        """What the oldest line that was told has printed. Raises as `run`."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """As `answer`, as it comes; to be taken to its end. Raises as `run`, in the end."""
        held = len(self._token) + 16  # the end may be cut in two
        taken = 0
        last = b""
        while not (found := self._end.search(self._buffer)):
            if len(self._buffer) > _PIECE:
                last = bytes(self._buffer[:-held])
                del self._buffer[:-held]
                taken += len(last)
                yield last
            if taken > _ANSWER_LIMIT:
                raise HostError(f"VM {self._vm}: the guest answers without end")
            self._wait()
        data, code = bytes(self._buffer[: found.start()]), int(found[1])
        del self._buffer[: found.end()]
        if code:
            raise self._failed(last + data, code)
        yield data

    def answers(self, count: int) -> None:
        """Takes several answers and fails, as `run` does, with the first of them that did."""
        failure: HostError | None = None
        for _ in range(count):
            try:
                self.answer()
            except (Failed, NoSpace) as error:
                failure = failure or error
        if failure:
            raise failure

    def receive(self, size: int) -> bytes:
        """Exactly so many bytes of what a line prints.

        Raises:
            Cut: the line ended before.
            HostError: the connection is gone.
        """
        silent_s = 0.0
        while len(self._buffer) < size:
            if self._wait(_STALL_S, patient=False):
                silent_s = 0.0
                continue
            if self._end.search(self._buffer[-64:]):
                raise Cut(f"VM {self._vm}: the guest could not send what it was asked for")
            silent_s += _STALL_S
            if silent_s >= _SILENCE_S:
                raise self._silent(_SILENCE_S)
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _wait(self, seconds: float = _SILENCE_S, *, patient: bool = True) -> set[int]:
        """Waits for anything to move and reads what there is."""
        until = time.monotonic() + seconds
        ready = {descriptor for descriptor, _ in self._poll.poll(max(0.0, until - time.monotonic()) * 1000)}
        if not ready and patient:
            raise self._silent(seconds)
        if self._err in ready:
            said = _read(self._err)
            self._said.extend(clean(said.decode(errors="replace")))
            if not said:
                self._poll.unregister(self._err)
        if self._out in ready:
            data = _read(self._out)
            if not data:
                raise self._gone()
            self._buffer += data
            if len(self._buffer) > _ANSWER_LIMIT:  # also one that prints while it is written to
                raise HostError(f"VM {self._vm}: the guest answers without end")
        return ready

    def _silent(self, seconds: float) -> HostError:
        return HostError(f"VM {self._vm}: the guest has not answered for {seconds:g} s", hint=_hint(self._vm))

    def _read_rest(self) -> None:
        while True:
            self._wait(_END_S)

    def _gone(self) -> HostError:
        try:
            self._ssh.wait(_END_S)
            self._said.extend(clean(_read(self._err).decode(errors="replace")))
        except subprocess.TimeoutExpired:
            self._ssh.kill()
        told = [*clean(bytes(self._buffer[-400:]).decode(errors="replace")), *self._said]
        return HostError(
            f"VM {self._vm}: the connection ended: {told[-1] if told else 'no reason given'}",
            hint=_hint(self._vm),
        )

    def _failed(self, data: bytes, code: int) -> HostError:
        lines = clean(data[-4000:].decode(errors="replace"))
        why = lines[-1] if lines else f"exit code {code}"
        if any(word in line for line in lines for word in ("No space left", "Wrote only")):
            return NoSpace(
                f"VM {self._vm}: the mount's image is full",
                hint="a restart with a rebuilt image makes it as big as the directory needs",
            )
        return Failed(f"VM {self._vm}: {why}", hint=_hint(self._vm))


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _CHUNK)
    except BlockingIOError:
        return b""


def _hint(vm: str) -> str:
    return f"`vmm logs {vm}` shows what the guest printed"
