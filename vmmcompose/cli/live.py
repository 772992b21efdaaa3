"""Live progress on a terminal: a line per VM at work, finished ones above, never more than fits."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Lock
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from vmmcompose.model.actions import DeleteVm, SyncNetwork, WaitVm, WriteRecord
from vmmcompose.model.plan import Event, Plan
from vmmcompose.render.events import change_lines, failure_lines, name_of, phase

SPARE_LINES = 3
"""Lines of the screen left free below the live part."""
FRAMES_PER_SECOND = 10
LAST_ACTIONS = (WaitVm, DeleteVm, SyncNetwork)
"""Actions after which nothing more is expected of a VM, where the plan was not told."""


@dataclass(slots=True)
class Row:
    """One VM (or the network) at work."""

    begin: float
    end: float = 0.0
    """When something last happened."""
    words: str = ""
    last: str = ""
    """What its last told phase came to: `ready`."""
    running: set[int] = field(default_factory=set)
    left: int | None = None
    """Steps not done yet, where the plan is known."""
    broken: bool = False


class LiveSink:
    """Draws with rich. Finished rows are printed once and scroll away; rows at work are redrawn."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self.rows: dict[str, Row] = {}
        self.steps: dict[str, int] = {}
        self.lock = Lock()
        self.spinner = Spinner("dots")
        self.live = Live(
            get_renderable=lambda: self,
            console=self.console,
            transient=True,
            refresh_per_second=FRAMES_PER_SECOND,
        )
        self.drawing = False

    def __enter__(self) -> Self:
        """Draws nothing before the first event: a question may have to be asked."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Prints what was still in work and gives the terminal back."""
        with self.lock:
            rows, self.rows = self.rows, {}
            drawing, self.drawing = self.drawing, False
        if drawing:
            self.live.stop()
        for name, row in rows.items():
            self._finish(name, row)

    def planned(self, plan: Plan) -> None:
        """One line per change or replicas alike, cut to the terminal's width."""
        for line in change_lines(plan):
            self._print(Text(line))
        for step in plan.steps:
            if not isinstance(step.action, WriteRecord):
                self.steps[step.address] = self.steps.get(step.address, 0) + 1

    def tell(self, event: Event) -> None:
        """Moves one row."""
        with self.lock:
            address = event.step.address
            row = self.rows.setdefault(address, Row(time.monotonic(), left=self.steps.get(address)))
            self._move(row, event)
            done = not row.running and (row.left == 0 or (row.left is None and _is_last(event)))
            if done:
                del self.rows[address]
            begin, self.drawing = not self.drawing, True
        if begin:
            self.live.start()
        if event.state == "failed":
            first, *more = failure_lines(event)
            self._print(Text(f"✗ {first}", style="red"), cut=False)
            for line in more:
                self._print(Text(line, style="dim"), cut=False)
        if done:
            self._finish(address, row)

    def ended(self, plan: Plan, words: str, seconds: float) -> None:  # noqa: ARG002 - the words tell
        """One line."""
        self._print(Text(words), cut=False)

    def note(self, line: str) -> None:
        """One line."""
        self._print(Text(line), cut=False)

    def _move(self, row: Row, event: Event) -> None:
        words = phase(event.step)
        row.end = time.monotonic()
        if event.state == "started":
            row.running.add(event.step.id)
            row.words = words.doing
        elif event.state == "progress":
            row.words = event.detail
        else:
            row.running.discard(event.step.id)
            row.broken = row.broken or event.state in ("failed", "skipped")
            row.left = None if row.left is None else row.left - 1
            if event.state == "done" and words.done:
                row.last = words.done

    def _finish(self, address: str, row: Row) -> None:
        if row.broken:
            return
        words, seconds = row.last or "done", f"  {row.end - row.begin:.1f}s"
        self._print(
            Text.assemble(("✓ ", "green"), (name_of(address), "bold"), f"  {words}", (seconds, "dim"))
        )

    def _print(self, text: Text, *, cut: bool = True) -> None:
        text.no_wrap = cut
        text.overflow = "ellipsis" if cut else "fold"
        self.console.print(text, crop=cut, soft_wrap=False)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """The rows at work, the busy ones first, as many as fit."""
        now = time.monotonic()
        with self.lock:
            rows = sorted(self.rows.items(), key=lambda item: (not item[1].running, item[1].begin))
        room = max(1, console.size.height - SPARE_LINES)
        wide = max((len(name_of(address)) for address, _ in rows), default=0)
        wide = min(wide, max(8, options.max_width // 3))
        frame = self.spinner.render(now)
        mark = frame.plain if isinstance(frame, Text) else "*"
        for address, row in rows[:room]:
            yield _row_text(mark if row.running else "·", name_of(address), wide, row, now)
        if len(rows) > room:
            yield Text(f"  … and {len(rows) - room} more", style="dim", no_wrap=True, overflow="ellipsis")


def _is_last(event: Event) -> bool:
    return event.state == "done" and isinstance(event.step.action, LAST_ACTIONS)


def _row_text(mark: str, name: str, wide: int, row: Row, now: float) -> Text:
    shown = name if len(name) <= wide else name[: wide - 1] + "…"
    words = row.words if row.running else "waiting for its turn"
    text = Text.assemble(
        (f"{mark} ", "cyan"), (shown.ljust(wide), "bold"), (f" {now - row.begin:5.1f}s", "dim"), f"  {words}"
    )
    text.no_wrap = True
    text.overflow = "ellipsis"
    return text
