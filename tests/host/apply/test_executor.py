"""Walking a graph: order, what a failure skips, and what it does not."""

from pathlib import Path, PurePosixPath

import pytest

from vmmcompose.apply.context import Context
from vmmcompose.apply.executor import execute
from vmmcompose.model.observed import HostFacts
from vmmcompose.model.paths import Paths
from vmmcompose.model.plan import Event, Plan, Step, SweepFile
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
    assert {event.step.id: event.detail for event in outcome.skipped} == {2: "vm/1 failed", 3: "vm/1 failed"}
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
