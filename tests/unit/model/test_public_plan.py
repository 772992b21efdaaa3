"""The public form of a plan: it keeps to its schema, comes back as it was, and counts what it says it counts."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from projects import DAMAGES, converged, edit, plan_for, shop
from simulated_host import SimulatedHost

from vmmcompose.model.actions import DeleteVolume, RunProvision
from vmmcompose.model.desired import Provision
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Change, Plan, Reason, Step
from vmmcompose.model.problem import Problem
from vmmcompose.model.publicplan import (
    KINDS,
    PublicPlan,
    PublicStep,
    Summary,
    plan_from_json,
    plan_to_json,
    publish,
)

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "schemas" / "plan.schema.json").read_text(encoding="utf-8")
)
VALID = Draft202012Validator(SCHEMA)
TEXT = st.text(max_size=12)
COUNTS = st.integers(0, 9)
ADDRESSES = st.one_of(
    st.from_regex(r"(vm|volume)/[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True),
    st.sampled_from(("network", "files", "taps")),
)
REASONS = st.builds(Reason, TEXT, TEXT, TEXT, TEXT)
PUBLIC = st.builds(
    PublicPlan,
    TEXT,
    st.booleans(),
    st.lists(
        st.builds(
            Change,
            ADDRESSES,
            st.sampled_from(KINDS),
            st.lists(REASONS, max_size=2).map(tuple),
            data_loss=TEXT,
        ),
        max_size=3,
    ).map(tuple),
    st.lists(
        st.builds(
            PublicStep,
            COUNTS,
            ADDRESSES,
            TEXT,
            st.dictionaries(TEXT, st.one_of(TEXT, st.booleans(), st.integers())).map(
                lambda d: tuple(d.items())
            ),
            st.frozensets(COUNTS).map(lambda ids: tuple(sorted(ids))),
            st.frozensets(COUNTS).map(lambda ids: tuple(sorted(ids))),
        ),
        max_size=3,
    ).map(tuple),
    st.lists(
        st.builds(
            Problem,
            TEXT,
            TEXT,
            st.lists(st.one_of(TEXT, COUNTS), max_size=3).map(tuple),
            TEXT,
            st.sampled_from(("error", "warning", "note")),
        ),
        max_size=2,
    ).map(tuple),
    st.lists(TEXT, max_size=2).map(tuple),
    st.builds(
        Summary,
        st.dictionaries(st.sampled_from(KINDS), st.integers(1, 9)).map(lambda d: tuple(d.items())),
        COUNTS,
        COUNTS,
        COUNTS,
    ),
)


@given(PUBLIC)
def test_any_public_plan_is_valid_and_comes_back(public: PublicPlan) -> None:
    value = json.loads(json.dumps(plan_to_json(public)))
    VALID.validate(value)
    assert plan_from_json(value) == public


@pytest.mark.parametrize("name", sorted(DAMAGES))
def test_what_the_planner_makes_is_valid_and_comes_back(name: str) -> None:
    host = converged(shop())
    DAMAGES[name](host)
    public = publish(plan_for(host, edit(shop(), "web", cpus=2)))
    value = json.loads(json.dumps(plan_to_json(public)))
    VALID.validate(value)
    assert plan_from_json(value) == public


def test_what_is_no_plan_of_ours_is_refused() -> None:
    good = plan_to_json(publish(plan_for(SimulatedHost(), shop())))
    for broken in (
        {**good, "schema_version": 2},
        {**good, "changes": [{**good["changes"][0], "kind": "explode"}]},
        {key: item for key, item in good.items() if key != "steps"},
        {**good, "steps": [{"id": 1}]},
    ):
        with pytest.raises((KeyError, TypeError, ValueError)):
            plan_from_json(broken)


def descriptions_missing(schema: Any, where: str = "") -> list[str]:
    """Every property, and every definition, has a description of its own or by reference."""
    found = []
    if isinstance(schema, dict):
        named = {**schema.get("properties", {}), **schema.get("$defs", {})}
        for name, part in named.items():
            if "description" not in part and "$ref" not in part:
                found.append(f"{where}/{name}")
        for name, part in schema.items():
            found += descriptions_missing(part, f"{where}/{name}")
    return found


def test_every_field_of_the_schema_is_described() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert descriptions_missing(SCHEMA) == []


def test_steps_name_their_actions_with_parameters_but_no_secret() -> None:
    wanted = edit(shop(), "web", env=(("PASSWORD", "swordfish"),))
    plan = plan_for(SimulatedHost(), wanted)
    run: Any = RunProvision(_spec_of(plan), Provision("install", "curl -u me:swordfish x", "/srv/x.sh"))
    script = Step(90, "vm/web", run)
    value = plan_to_json(publish(replace(plan, steps=(*plan.steps, script))))
    assert "swordfish" not in json.dumps(value)
    by_action = {step["action"]: step["parameters"] for step in value["steps"]}
    assert by_action["RunProvision"] == {"provision": "install"}
    assert by_action["CreateDisk"]["size_mib"] == 1024
    assert by_action["BuildMount"] == {"name": "shop-web", "mount": "site"}
    assert by_action["WriteGuestFiles"] == {}  # its digest would let a short secret be guessed
    assert by_action["WriteRecord"] == {"state": "starting"}


def _spec_of(plan: Plan) -> Any:
    return next(step.action.spec for step in plan.steps if type(step.action).__name__ == "StartVm")  # type: ignore[union-attr]


def test_the_summary_counts_what_goes_down_and_what_is_lost() -> None:
    fresh = publish(plan_for(SimulatedHost(), shop())).summary
    assert fresh == Summary((("create", 2),), 0, 0, 0)
    again = plan_for(converged(shop()), shop(), Options(recreate=True, only=("web",)))
    delete: Any = DeleteVolume("shop", "data")
    gone = Step(90, "volume/data", delete)
    summary = publish(replace(again, steps=(*again.steps, gone))).summary
    assert (summary.restarted, summary.disks_lost, summary.volumes_lost) == (1, 1, 1)
    assert dict(summary.vms)["replace"] == 1


def test_without_a_look_at_the_host_there_are_no_steps() -> None:
    plan = plan_for(SimulatedHost(), shop())
    public = publish(plan, refreshed=False)
    assert public.steps == ()
    assert public.changes == plan.changes
