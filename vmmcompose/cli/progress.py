"""Progress on standard error: live on a terminal, a line per event elsewhere, JSON lines for tools."""

import sys
from types import TracebackType
from typing import Protocol, Self, TextIO

from vmmcompose.cli.invocation import Invocation, tell
from vmmcompose.cli.jsonlog import log_json
from vmmcompose.model.plan import Event, Plan
from vmmcompose.render.events import change_lines, event_json, event_line


class Sink(Protocol):
    """Where events go. Events come from one thread at a time."""

    def __enter__(self) -> Self:
        """Gets ready."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the terminal as it was."""

    def planned(self, plan: Plan) -> None:
        """What is going to happen."""

    def tell(self, event: Event) -> None:
        """What happens."""

    def ended(self, plan: Plan, words: str, seconds: float) -> None:
        """What came of it, in `words`."""

    def note(self, line: str) -> None:
        """Something worth knowing afterwards."""


def make_sink(invocation: Invocation) -> Sink:
    """The sink for this run: by --log-format, -q, and whether standard error is a terminal."""
    import os

    if invocation.log_format == "json":
        return JsonSink()
    if invocation.quiet:
        return QuietSink()
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        from vmmcompose.cli.live import LiveSink

        return LiveSink()
    return PlainSink()


class QuietSink:
    """Only failures."""

    def __enter__(self) -> Self:
        """Nothing to get ready."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to leave."""

    def planned(self, plan: Plan) -> None:
        """Says nothing."""

    def tell(self, event: Event) -> None:
        """Says only what failed."""
        if event.state == "failed":
            tell(event_line(event))

    def ended(self, plan: Plan, words: str, seconds: float) -> None:
        """Says nothing."""

    def note(self, line: str) -> None:
        """Says nothing."""


class SilentSink(QuietSink):
    """Nothing at all: it was told before."""

    def tell(self, event: Event) -> None:
        """Says nothing."""


class PlainSink(QuietSink):
    """One line per event, for logs and pipes."""

    def planned(self, plan: Plan) -> None:
        """One line per change, or per replicas to which the same happens."""
        for line in change_lines(plan):
            tell(line)

    def tell(self, event: Event) -> None:
        """One line per event that is worth one."""
        line = event_line(event)
        if line:
            tell(line)

    def ended(self, plan: Plan, words: str, seconds: float) -> None:  # noqa: ARG002 - the words tell
        """One line."""
        tell(words)

    def note(self, line: str) -> None:
        """One line."""
        tell(line)


class JsonSink(QuietSink):
    """One JSON object per line, on standard error unless another stream is named."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def planned(self, plan: Plan) -> None:
        """The changes, in one object."""
        from vmmcompose.model.publicplan import changes_to_json

        value = {"level": "info", "event": "plan", "changes": changes_to_json(plan.changes)}
        log_json(value, self._stream)

    def tell(self, event: Event) -> None:
        """Every event."""
        log_json(event_json(event), self._stream)

    def ended(self, plan: Plan, words: str, seconds: float) -> None:
        """The summary, in one object."""
        changes = [{"address": change.address, "kind": change.kind} for change in plan.changes]
        value = {"level": "info", "event": "ended", "detail": words, "seconds": round(seconds, 3)}
        log_json({**value, "changes": changes}, self._stream)
