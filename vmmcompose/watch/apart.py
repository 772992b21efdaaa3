"""Doing a piece of work in a process of its own, so that what it loads and holds is gone with it.

What changes a host needs libraries that weigh more than all the rest of `vmm watch`, which sleeps for most of its life.
"""

import os
import pickle
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn, TypeVar

from vmmcompose.errors import HostError, Interrupted, VmmError
from vmmcompose.host.files import failed

T = TypeVar("T")
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def apart(work: Callable[[], T], meanwhile: Callable[[int], object] | None = None) -> T:
    """What `work` returns, which has to be something that can be pickled.

    A signal that ends this process goes to the other one meanwhile, which knows where it may stop. `meanwhile` is
    called until the answer is there, each time with a descriptor that is readable then, and waits for it.

    Raises:
        VmmError: what it raised.
        Interrupted: such a signal came where it may stop.
        HostError: it could not be started, or was killed.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        pid = os.fork()
    except OSError as error:
        os.close(reader)
        os.close(writer)
        raise failed("cannot start a process", error) from error
    if pid == 0:
        os.close(reader)
        _answer(work, writer)
    os.close(writer)
    with _forwarding(pid), open(reader, "rb") as answers:
        try:
            while meanwhile and not select.select([reader], [], [], 0)[0]:
                meanwhile(reader)
        finally:
            data = answers.read()
            os.waitpid(pid, 0)
    if not data:
        raise HostError("the process that did it was killed", hint="is the host out of memory?")
    done, value = pickle.loads(data)  # noqa: S301 - from our own child
    if done:
        result: T = value
        return result
    assert isinstance(value, VmmError)
    raise value


def _answer(work: Callable[[], object], writer: int) -> NoReturn:
    """The child's whole life. It ends without what belongs to the parent: its clean-up, its buffers."""
    code = 0
    try:
        try:
            _interruptible()
            answer: tuple[bool, object] = (True, work())
        except VmmError as error:
            answer = (False, error)
        except KeyboardInterrupt:
            answer = (False, Interrupted("interrupted"))
        except Exception as error:  # noqa: BLE001 - no traceback reaches a user
            answer = (False, VmmError(f"unexpected {type(error).__name__}: {error}"))
        data = pickle.dumps(answer)
        with open(writer, "wb") as out:
            out.write(data)
    except BaseException:  # noqa: BLE001 - whatever it was, this process must not go on as its parent
        code = 1
    finally:
        os._exit(code)


def _interruptible() -> None:
    """What only waits ends at the first signal; work that must not be left in the middle sees to that itself.

    The next one may be the same: a terminal tells both processes, and the parent tells this one once more.
    """
    came: list[int] = []

    def interrupt(signum: int, _frame: object) -> None:
        came.append(signum)
        if len(came) == 1:
            raise KeyboardInterrupt

    for number in _FORWARDED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


@contextmanager
def _forwarding(pid: int) -> Iterator[None]:
    """Hands signals on to the child meanwhile. They reach this process itself once the child is done."""
    before = {number: signal.getsignal(number) for number in _FORWARDED}
    came: list[int] = []

    def forward(signum: int, _frame: object) -> None:
        came.append(signum)
        with suppress(ProcessLookupError):  # it has just ended
            os.kill(pid, signum)

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, forward)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for signum in dict.fromkeys(came):
            signal.raise_signal(signum)
