"""A plan's picture: its steps in frames, and the arrows that are left when what follows from others is taken away."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st
from projects import converged, edit, plan_for, shop
from simulated_host import SimulatedHost

from vmmcompose.model.actions import Action, SyncNetwork
from vmmcompose.model.plan import Plan, Step
from vmmcompose.render.graph import plan_graph
from vmmcompose.render.graph.steps import TONES, reduced


def test_every_action_has_its_colour() -> None:
    assert set(get_args(Action)) <= set(TONES)


def test_steps_stand_in_the_frame_of_what_they_change() -> None:
    plan = plan_for(SimulatedHost(), shop())
    graph = plan_graph(plan)
    frames = {cluster.title: len(cluster.nodes) for cluster in graph.clusters}
    counts = {address: sum(s.address == address for s in plan.steps) for address in ("vm/db", "vm/web")}
    assert frames == {
        "vm/db · create": counts["vm/db"],
        "vm/web · create": counts["vm/web"],
        "network · create": 1,
    }


def test_an_arrow_says_what_waits_for_what() -> None:
    plan = plan_for(converged(shop()), edit(shop(), "web", cpus=2))
    graph = plan_graph(plan)
    titles = {node.id: node.title for node in graph.nodes}
    arrows = [(titles[edge.source], titles[edge.target]) for edge in graph.edges]
    assert arrows == [
        ("writing the record", "shutting down"),
        ("shutting down", "making its TAP"),
        ("making its TAP", "starting"),
        ("starting", "waiting for an answer"),
    ]


def test_a_plan_without_steps_says_so() -> None:
    assert [node.title for node in plan_graph(Plan("shop")).nodes] == ["nothing to do"]


@st.composite
def step_lists(draw: st.DrawFn) -> tuple[Step, ...]:
    steps = []
    for number in range(draw(st.integers(0, 12))):
        after = draw(st.frozensets(st.integers(0, number - 1))) if number else frozenset()
        steps.append(Step(number, "network", SyncNetwork(), after))
    return tuple(steps)


def reach(edges: dict[int, set[int]]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    for number in sorted(edges):
        found[number] = edges[number].union(*(found[before] for before in edges[number]))
    return found


@given(step_lists())
def test_the_arrows_left_say_the_same_and_none_of_them_could_go(steps: tuple[Step, ...]) -> None:
    whole = {step.id: set(step.after) for step in steps}
    less = {step.id: set(reduced(step, steps)) for step in steps}
    assert reach(less) == reach(whole)
    for number, before in ((n, b) for n, some in less.items() for b in some):
        without = {**less, number: less[number] - {before}}
        assert reach(without) != reach(whole)


def test_an_arrow_for_what_must_only_have_ended_is_dashed() -> None:
    steps = (
        Step(0, "vm/a", SyncNetwork()),
        Step(1, "vm/a", SyncNetwork(), frozenset((0,))),
        Step(2, "vm/b", SyncNetwork(), frozenset((0,)), frozenset((1,))),
        Step(3, "vm/b", SyncNetwork(), weak=frozenset((0, 2))),
    )
    drawn = {
        (edge.source[-1], edge.target[-1], edge.dashed) for edge in plan_graph(Plan("p", (), steps)).edges
    }
    assert drawn == {("0", "1", False), ("0", "2", False), ("1", "2", True), ("2", "3", True)}
