"""A thread that keeps one thing in step in one guest, for as long as it is wanted."""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from threading import Condition, Thread
from typing import Protocol

from vmmcompose.errors import NoSpace, VmmError
from vmmcompose.model.mountsync import Report
from vmmcompose.watch.notice import Notice, Tell
from vmmcompose.watch.restarts import Retry

CALM_S = 0.03
"""How long more changes are waited for: a save is several events, and each round trip to the guest costs as much."""
LONGEST_S = 1.0
"""How long they are waited for at most, where something is written all the time."""
SHOWN, REMEMBERED = 5, 1000
"""Of the paths that could not be carried over, how many are told (as of those overwritten), and how many are known to
have been."""
TOLD_S = 16.0
"""The wait before the next try from which on the user is told: a guest that boots does not answer yet."""


class Way(Protocol):
    """What carries: `host.sync.Session`, or a test's."""

    def full(self) -> Report:
        """Compares and transfers everything."""

    def push(self, changed: Collection[str]) -> Report:
        """Transfers what may have changed."""

    def keep(self) -> None:
        """Remembers what is in step beyond a crash."""


class Courier(Thread):
    """Connects, compares, and carries what it is told of, until it is told to stop."""

    def __init__(
        self,
        way: Callable[[], AbstractContextManager[Way]],
        vm: str,
        what: str,
        tell: Tell,
        *,
        title: str = "",
    ) -> None:
        """`title` is what it is called in a sentence, where `what` is not enough."""
        super().__init__(daemon=True, name=f"sync {vm} {what}")
        self._way, self._vm, self._what, self._tell, self._title = way, vm, what, tell, title or what
        self._behind = True
        self._changed: set[str] = set()
        self._whole = False
        self._stopped = False
        self._condition = Condition()
        self._retry = Retry(first_s=0.5, cap_s=30.0)
        self.failed = False
        """Whether the user was told that it is out of step."""
        self._skipped: set[str] = set()

    def carry(self, paths: Iterable[str], *, whole: bool = False) -> None:
        """These may have changed, or anything."""
        with self._condition:
            self._changed.update(paths)
            self._whole = self._whole or whole
            self._behind = True
            self._condition.notify_all()

    def stop(self) -> None:
        """Carry nothing more. What is on its way arrives."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()

    def in_step(self) -> bool:
        """Waits until all that was to be carried has arrived. Whether it has, or it was stopped or `failed` before."""
        with self._condition:
            self._condition.wait_for(lambda: self._stopped or self.failed or not self._behind)
            return not (self._stopped or self.failed)

    def run(self) -> None:
        """The thread's body: connects, and again when the connection is lost."""
        while not self._stopped:
            try:
                with self._way() as way:
                    report = way.full()
                    self._said(report, first=True)
                    self._compared(report, first=True)
                    self._carry_on(way)
            except VmmError as error:
                self._lost(error)
            except Exception as error:  # noqa: BLE001 - nothing is left alone for good without a word
                self._lost(VmmError(f"unexpected {type(error).__name__}: {error}"))

    def _patience_s(self) -> float | None:
        """How long to wait for changes before `_rest`; None means as long as it takes."""
        return None

    def _rest(self, way: Way) -> None:
        """Nothing has come for so long."""

    def _compared(self, report: Report, *, first: bool) -> None:
        """A comparison was made that nobody's change asked for; `first` is a connection's first."""

    def _carry_on(self, way: Way) -> None:
        while True:
            with self._condition:
                self._behind = self._has_news()
                self._condition.notify_all()
                came = self._condition.wait_for(self._has_news, self._patience_s())
            if not came:
                self._rest(way)
                continue
            taken = self._take()
            if taken is None:
                return
            paths, whole = taken
            report = way.full() if whole or "" in paths else way.push(paths)
            self._said(report)
            if whole and "" not in paths:
                self._compared(report, first=False)

    def _has_news(self) -> bool:
        return bool(self._changed or self._whole or self._stopped)

    def _take(self) -> tuple[set[str], bool] | None:
        """What has changed, after a calm moment; None where it is to stop."""
        with self._condition:
            until = time.monotonic() + LONGEST_S
            while not self._stopped and self._condition.wait(CALM_S) and time.monotonic() < until:
                pass
            if self._stopped:
                return None
            paths, whole = self._changed, self._whole
            self._changed, self._whole = set(), False
            return paths, whole

    def _said(self, report: Report, *, first: bool = False) -> None:
        self._retry.good()
        if first and self.failed:
            self.failed = False
            self._tell(Notice("sync-recovered", f"{self._vm}: {self._title} is in step again", self._vm))
        parts = [
            f"{count} {word}"
            for count, word in (
                (report.sent, "sent"),
                (report.deleted, "deleted"),
                (report.fetched, "fetched"),
            )
            if count
        ]
        if parts:
            self._tell(Notice("sync", f"{self._vm}: {self._what}: {', '.join(parts)}", self._vm))
        for path in report.conflicts:
            words = f"{self._vm}: {self._what}: both sides changed {path!r}; the guest's is kept beside it"
            self._tell(Notice("sync-conflict", words, self._vm, bad=True))
        if report.overwritten:
            words = f"{self._vm}: {self._what}: what the guest had of its own was overwritten"
            self._tell(Notice("sync-overwritten", words, self._vm, _lines(report.overwritten)))
        self._say_skipped(report.skipped)

    def _say_skipped(self, skipped: tuple[str, ...]) -> None:
        """Each once; a guest may have any number of them, so not all are remembered."""
        news = [text for text in skipped if text not in self._skipped]
        if len(self._skipped) > REMEMBERED:
            self._skipped.clear()
        self._skipped.update(news)
        if news:
            words = f"{self._vm}: {self._what}: not carried over"
            self._tell(Notice("sync-skipped", words, self._vm, _lines(news), bad=True))

    def _lost(self, error: VmmError) -> None:
        """Tells it once, and waits before the next try. A new connection begins with a comparison of everything."""
        if self._stopped:
            return
        wait_s = self._retry.failed(0.0)
        full = isinstance(error, NoSpace)
        if not self.failed and (full or wait_s >= TOLD_S):
            self.failed = True
            words = f"{self._vm}: {self._title} is out of step: {error.message}"
            self._tell(Notice("sync-failed", words, self._vm, hint=error.hint, bad=True))
        with self._condition:
            self._forget()
            self._condition.notify_all()
            # Another directory in the place of one that was gone is worth a try at once, and what goes or fits as well.
            self._condition.wait_for(
                lambda: self._stopped or "" in self._changed or (full and self._changed), wait_s
            )
            self._forget()

    def _forget(self) -> None:
        self._changed.clear()
        self._whole = False


def _lines(texts: Sequence[str]) -> tuple[str, ...]:
    """The first of them, with nothing in them that a terminal would obey."""
    lines = tuple(ascii(text)[1:-1] for text in texts[:SHOWN])
    return (*lines, f"and {len(texts) - SHOWN} more") if len(texts) > SHOWN else lines
