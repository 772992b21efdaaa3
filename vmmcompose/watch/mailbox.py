"""What threads hand over to the loop."""

import os
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """Filled by any thread, emptied by one; its descriptor is readable while there is something in it."""

    def __init__(self) -> None:
        self._things: deque[T] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """The descriptor, for poll(2)."""
        return self._wake

    def put(self, thing: T) -> None:
        """Hands something over."""
        self._things.append(thing)
        os.eventfd_write(self._wake, 1)

    def __len__(self) -> int:
        """How much has not been taken."""
        return len(self._things)

    def take(self) -> Iterator[T]:
        """Everything there is. To be called where the descriptor is readable."""
        os.eventfd_read(self._wake)
        while self._things:
            yield self._things.popleft()

    def close(self) -> None:
        """Gives the descriptor back; no thread may put anything into it after that."""
        os.close(self._wake)
