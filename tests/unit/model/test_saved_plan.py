"""A saved plan comes back as it was, is the same as itself made anew, and notices every difference."""

import json
from dataclasses import replace
from typing import Any

import pytest
from projects import converged, edit, plan_for, shop

from vmmcompose.model.desired import DesiredVm, GuestFile, Provision, Volume
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Plan
from vmmcompose.model.publicplan import publish
from vmmcompose.model.reading import Reading
from vmmcompose.model.savedplan import (
    NewerFormat,
    SavedPlan,
    is_same,
    saved_from_json,
    saved_to_json,
    spec_digests,
    step_digests,
)
from vmmcompose.model.settings import Settings

SETTINGS = Settings()
SECRET = replace(
    edit(
        shop(),
        "web",
        env=(("PASSWORD", "swordfish"),),
        files=(GuestFile("/etc/token", "salmon"),),
        provision=(Provision("install", "curl -u me:tuna x"),),
    ),
    volumes=(Volume("data", 64),),
    inactive=(DesiredVm("debug", "tiny", profiles=("debug",)),),
    replicas=(("app", 0), ("worker", 12)),
)


def plan(**changes: object) -> Plan:
    return plan_for(converged(shop()), edit(SECRET, "web", **changes))


def saved(options: Options | None = None) -> SavedPlan:
    made = plan()
    return SavedPlan(
        "id", "0.1.0", "2026-01-31T12:00:00.000Z", "ada", "here", "/var/lib/vmm", Reading(("/srv/vmm.yaml",)), SECRET,
        options or Options(), publish(made), step_digests(made, SETTINGS), spec_digests(made), (("a", "b"),),
    )  # fmt: skip


def test_it_comes_back_as_it_was() -> None:
    for options in (
        Options(),
        Options(only=("web",), timeout_s=3.5, recreate=True, rebuild_mounts=("site",)),
    ):
        one = saved(options)
        assert saved_from_json(json.loads(json.dumps(saved_to_json(one)))) == one


def test_a_plan_made_anew_is_the_same_and_every_hidden_difference_is_noticed() -> None:
    one = saved()
    assert is_same(one, publish(plan()), step_digests(plan(), SETTINGS))
    for changes in (
        {"env": (("PASSWORD", "trout"),)},
        {"files": (GuestFile("/etc/token", "trout"),)},
        {"provision": (Provision("install", "trout"),)},
    ):
        other = plan(**changes)
        assert publish(other).changes == one.plan.changes, "it does not show"
        assert not is_same(one, publish(other), step_digests(other, SETTINGS))
    assert not is_same(one, publish(plan()), step_digests(plan(), replace(SETTINGS, host_interface="eth7")))


def test_which_field_differs_can_be_told_without_its_value() -> None:
    before, after = dict(spec_digests(plan())), dict(spec_digests(plan(env=(("PASSWORD", "trout"),))))
    differing = {name for name, digest in before["vm/web"] if dict(after["vm/web"])[name] != digest}
    assert differing == {"env"}
    assert "swordfish" not in json.dumps(before)


@pytest.mark.parametrize(
    "broken",
    [
        [],
        {},
        {"format": "vmm-plan"},
        {"data_dir": "/srv"},
        {"digest": "0"},
        {"desired": {}},
    ],
)
def test_what_is_damaged_is_refused(broken: Any) -> None:
    value = {**saved_to_json(saved()), **broken} if broken and "format" not in broken else broken
    with pytest.raises((ValueError, KeyError, TypeError)):
        saved_from_json(value)


def test_a_newer_format_is_told_apart() -> None:
    with pytest.raises(NewerFormat):
        saved_from_json({**saved_to_json(saved()), "format_version": 2})


@pytest.mark.parametrize("name", ["../etc", "", "a/b", "A"])
def test_a_name_that_no_manifest_can_say_is_refused(name: str) -> None:
    """It would become part of paths."""
    one = saved()
    evil = replace(one, desired=replace(one.desired, vms=(replace(one.desired.vms[0], name=name),)))
    with pytest.raises(ValueError, match="vms"):
        saved_from_json(json.loads(json.dumps(saved_to_json(evil))))
