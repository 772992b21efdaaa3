"""A plan as text and as JSON: complete, serialisable, the same every time, and without secrets."""

import json
from dataclasses import replace
from typing import Any

import pytest
from projects import DAMAGES, converged, edit, plan_for, shop
from simulated_host import SimulatedHost

from vmmcompose.model.desired import GuestFile
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Change, Plan, Reason
from vmmcompose.model.publicplan import plan_to_json, publish
from vmmcompose.render.events import done_line
from vmmcompose.render.plan import REASONS_SHOWN, SYMBOLS, render_plan, summary


def plan_json(plan: Plan) -> dict[str, Any]:
    return plan_to_json(publish(plan))


def damaged(name: str) -> Plan:
    host = converged(shop())
    DAMAGES[name](host)
    return plan_for(host, shop())


@pytest.mark.parametrize("name", sorted(DAMAGES))
def test_a_plan_is_a_json_value_that_is_the_same_every_time(name: str) -> None:
    value = plan_json(damaged(name))
    assert json.loads(json.dumps(value)) == value
    assert value["schema_version"] == 1
    assert json.dumps(value) == json.dumps(plan_json(damaged(name)))


def test_steps_name_those_they_come_after() -> None:
    steps = plan_json(plan_for(SimulatedHost(), shop()))["steps"]
    assert [step["id"] for step in steps] == list(range(len(steps)))
    assert all(number < step["id"] for step in steps for number in step["after"])
    assert {step["action"] for step in steps} >= {"WriteRecord", "SyncNetwork", "CreateDisk", "StartVm"}


def test_no_secret_is_shown() -> None:
    files = (GuestFile("/etc/token", "swordfish"),)
    wanted = edit(shop(), "web", env=(("PASSWORD", "swordfish"),), files=files)
    for host in (SimulatedHost(), converged(shop())):
        plan = plan_for(host, wanted)
        assert "swordfish" not in json.dumps(plan_json(plan)) + render_plan(plan)
    back = plan_for(converged(wanted), shop())
    assert "swordfish" not in json.dumps(plan_json(back)) + render_plan(back)


def test_json_has_all_reasons_where_the_text_is_cut() -> None:
    reasons = tuple(Reason(why=f"forward {number} missing") for number in range(REASONS_SHOWN + 5))
    plan = Plan("shop", (Change("network", "repair", reasons),))
    text = render_plan(plan)
    assert text.count("missing") == REASONS_SHOWN - 1
    assert "… and 6 more" in text
    assert len(plan_json(plan)["changes"][0]["reasons"]) == REASONS_SHOWN + 5


def test_every_kind_is_counted_and_has_a_symbol() -> None:
    changes = tuple(Change(f"vm/{kind}", kind) for kind in SYMBOLS)
    plan = Plan("shop", changes)
    assert all(f"to {kind}" in summary(plan) for kind in SYMBOLS)
    assert summary(plan).startswith("Plan: 1 VM to create, 1 to ")
    assert render_plan(plan).count("vm/") == len(SYMBOLS)


def test_volumes_of_replicas_are_counted_and_stand_together() -> None:
    volumes = [Change(f"volume/data-{n}", "create", (Reason("size", new="1 MiB"),)) for n in range(1, 12)]
    plan = Plan("shop", (*volumes, Change("volume/other", "update"), Change("network", "create")))
    assert summary(plan) == "Plan: 11 volumes to create, volume/other to update, network to create."
    assert "volume/data-[1-11]   create (11 volumes)" in render_plan(plan)
    assert done_line(plan, 1).endswith(": 11 volumes created, volume/other updated, network created")


def test_lost_data_is_never_left_out() -> None:
    plan = plan_for(converged(shop()), shop(), Options(recreate=True))
    assert render_plan(plan).count("! data is lost") == 2
    assert [bool(change["data_loss"]) for change in plan_json(plan)["changes"]] == [True, True]


def test_color_only_adds_color() -> None:
    plan = replace(damaged("rebooted"), problems=())
    colored = render_plan(plan, color=True)
    assert "\033[" in colored
    for code in ("\033[33m", "\033[0m"):
        colored = colored.replace(code, "")
    assert colored == render_plan(plan)
