"""What holds for every graph and every way its steps may fail."""

from pathlib import PurePosixPath
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from vmmcompose.apply.context import Context
from vmmcompose.apply.executor import execute
from vmmcompose.model.actions import SweepFile
from vmmcompose.model.observed import HostFacts
from vmmcompose.model.paths import Paths
from vmmcompose.model.plan import Event, Plan, Step
from vmmcompose.model.settings import Settings


@st.composite
def graphs(draw: st.DrawFn) -> tuple[tuple[Step, ...], frozenset[int]]:
    """Steps with strong and weak edges to earlier ones, and those among them that will fail."""
    edges = st.sampled_from(("none", "none", "after", "weak"))
    count = draw(st.integers(1, 12))
    steps = []
    for number in range(count):
        kinds = [draw(edges) for _ in range(number)]
        after, weak = (
            frozenset(i for i, kind in enumerate(kinds) if kind == wanted) for wanted in ("after", "weak")
        )
        steps.append(Step(number, f"vm/{number}", SweepFile(""), after, weak))
    return tuple(steps), draw(st.frozensets(st.integers(0, count - 1)))


def run(steps: tuple[Step, ...], failing: frozenset[int]) -> list[Event]:
    """Walks the graph with real steps: one that fails is told to delete what is not below the data folder."""
    events: list[Event] = []
    with TemporaryDirectory() as folder:
        paths = Paths(PurePosixPath(folder))
        context = Context(Settings(data_dir=folder), paths, HostFacts(), {})
        real = tuple(
            Step(
                step.id,
                step.address,
                SweepFile("/nowhere/x" if step.id in failing else f"{folder}/f{step.id}"),
                step.after,
                step.weak,
            )
            for step in steps
        )
        outcome = execute(Plan("p", (), real), context, events.append)
    ended = [*outcome.done, *(event.step.id for event in (*outcome.failed, *outcome.skipped))]
    assert sorted(ended) == [step.id for step in steps], "each ends once, as done, failed or skipped"
    return events


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_every_step_ends_in_order_and_none_runs_for_nothing(
    graph: tuple[tuple[Step, ...], frozenset[int]],
) -> None:
    steps, failing = graph
    fate: dict[int, str] = {}
    running: set[int] = set()
    for event in run(steps, failing):
        step = event.step
        match event.state:
            case "started":
                assert step.id not in fate
                assert step.before <= fate.keys(), "it waits for what comes before it"
                assert all(fate[number] == "done" for number in step.after)
                assert not running & _all_before(steps, step.id), "order holds across a skipped step as well"
                running.add(step.id)
            case "done" | "failed":
                running.discard(step.id)
                fate[step.id] = event.state
                assert (event.state == "failed") == (step.id in failing)
            case "skipped":
                assert event.cause is not None
                assert fate[event.cause.id] == "failed"
                assert event.cause.id in _all_before(steps, step.id)
                fate[step.id] = "skipped"
    for step in steps:
        lost = any(fate[number] != "done" for number in step.after)
        assert (fate[step.id] == "skipped") == lost


def _all_before(steps: tuple[Step, ...], number: int) -> set[int]:
    found: set[int] = set()
    queue = [number]
    while queue:
        fresh = steps[queue.pop()].before - found
        found |= fresh
        queue += fresh
    return found
