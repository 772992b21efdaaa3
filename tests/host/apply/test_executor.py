"""Walking a graph: order, what a failure skips, and what it does not."""

import os
import signal
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from vmmcompose.apply.context import Context
from vmmcompose.apply.executor import execute
from vmmcompose.errors import Interrupted
from vmmcompose.model.actions import SweepFile, SyncNetwork
from vmmcompose.model.observed import HostFacts
from vmmcompose.model.paths import Paths
from vmmcompose.model.plan import Event, Plan, Step
from vmmcompose.model.settings import Settings


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(Settings(data_dir=str(tmp_path)), Paths(PurePosixPath(tmp_path)), HostFacts(), {})


def sweep(context: Context, step: int, *after: int, outside: bool = False) -> Step:
    """A step that deletes a file of its own; `outside` makes it fail."""
    path = Path("/nowhere" if outside else str(context.paths.root)) / f"f{step}.tmp.1"
    if not outside:
        path.touch()
    return Step(step, f"vm/{step}", SweepFile(str(path)), frozenset(after))


def test_a_failure_skips_what_waits_for_it_and_nothing_else(context: Context) -> None:
    steps = (
        sweep(context, 0),
        sweep(context, 1, outside=True),
        sweep(context, 2, 1),
        sweep(context, 3, 2),
        sweep(context, 4, 0),
    )
    events: list[Event] = []
    outcome = execute(Plan("p", (), steps), context, events.append)
    assert outcome.done == (0, 4)
    assert [event.step.id for event in outcome.failed] == [1]
    assert {event.step.id: event.cause for event in outcome.skipped} == {2: steps[1], 3: steps[1]}
    left = sorted(path.name for path in Path(context.paths.root).iterdir())
    assert left == ["f2.tmp.1", "f3.tmp.1"]


def test_a_step_runs_after_those_it_waits_for(context: Context) -> None:
    steps = tuple(sweep(context, i, *([i - 1] if i else [])) for i in range(20))
    events: list[Event] = []
    execute(Plan("p", (), steps), context, events.append)
    assert [(e.step.id, e.state) for e in events] == [(i, s) for i in range(20) for s in ("started", "done")]


def test_a_path_outside_the_data_folder_is_never_deleted(
    context: Context, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = tmp_path_factory.mktemp("other") / "x.tmp.1"
    stranger.touch()
    outcome = execute(
        Plan("p", (), (Step(0, "files", SweepFile(str(stranger))),)), context, lambda _event: None
    )
    assert len(outcome.failed) == 1
    assert stranger.exists()


def test_a_thousand_steps_in_one_chain_and_side_by_side(context: Context) -> None:
    chain = [sweep(context, i, *([i - 1] if i else [])) for i in range(500)]
    wide = [sweep(context, i) for i in range(500, 1000)]
    outcome = execute(Plan("p", (), (*chain, *wide)), context, lambda _event: None)
    assert len(outcome.done) == 1000


def test_the_network_is_put_right_whatever_failed_before(context: Context) -> None:
    """Syncing looks at the records as they are then; it waits for failures and is never skipped."""
    ran: list[int] = []

    def note(event: Event) -> None:
        if event.state == "started":
            ran.append(event.step.id)

    steps = (
        sweep(context, 0, outside=True),
        sweep(context, 1, 0),
        sweep(context, 2),
        Step(3, "network", SyncNetwork(), weak=frozenset((0, 1, 2))),
        sweep(context, 4, 1, 2),
    )
    broken = Settings(data_dir=str(context.paths.root), bridge_name="/")  # no such link can ever be there
    outcome = execute(Plan("p", (), steps), replace(context, settings=broken), note)
    assert ran[-1] == 3
    assert set(ran) == {0, 2, 3}
    assert {event.step.id for event in outcome.skipped} == {1, 4}


def test_ctrl_c_lets_running_steps_finish_and_begins_no_other(context: Context) -> None:
    steps = (sweep(context, 0), sweep(context, 1, 0))
    begun: list[int] = []

    def interrupt(event: Event) -> None:
        if event.state == "started":
            begun.append(event.step.id)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        execute(Plan("p", (), steps), context, interrupt)
    assert begun == [0]
    assert not Path(context.paths.root, "f0.tmp.1").exists()
    assert Path(context.paths.root, "f1.tmp.1").exists()
