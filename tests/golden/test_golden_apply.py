"""Each folder of `apply/` is a saved plan that is refused: `refusal.txt` says what differs and what changed.

The plan is saved as `plan_case` reads it. Then `since.yaml` is brought up by somebody else, with the fields of
`Options` in `since.json` and `power` as in `options.json`, and `since` names what else happens to the host, one of
`DAMAGES`, `ACCIDENTS` or `CHANGES` a line.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from plan_case import PlanCase, parse_file, read_case, with_power
from projects import ACCIDENTS, DAMAGES, plan_for
from simulated_host import SimulatedHost

from vmmcompose.model.observed import Source
from vmmcompose.model.options import Options
from vmmcompose.model.plan import Plan
from vmmcompose.model.problem import Problem
from vmmcompose.model.publicplan import publish
from vmmcompose.model.reading import Reading
from vmmcompose.model.savedplan import (
    SavedPlan,
    is_same,
    saved_from_json,
    saved_to_json,
    spec_digests,
    step_digests,
)
from vmmcompose.plan.facts import gather_facts
from vmmcompose.render.problems import render_problems
from vmmcompose.render.stale import stale_problems

CASES = Path(__file__).parent / "apply"
NAMES = sorted(case.name for case in CASES.iterdir() if case.is_dir())
INPUTS = {"vmm.yaml", "before.yaml", "damage", "options.json", "since", "since.yaml", "since.json"}


def _other_name_server(host: SimulatedHost) -> None:
    host.facts = replace(host.facts, nameservers=("192.0.2.53",))


def _secret_file_edited(host: SimulatedHost) -> None:
    host.sources["/home/ada/shop/token"] = Source("file", "b" * 64, "tuna")


def _image_built_anew(host: SimulatedHost) -> None:
    host.images = {**host.images, "tiny": replace(host.images["tiny"], digest="digest-of-a-new-tiny")}


def _other_settings(host: SimulatedHost) -> None:
    host.settings = replace(host.settings, host_interface="eth7")


CHANGES: Mapping[str, Callable[[SimulatedHost], None]] = {
    "other name server": _other_name_server,
    "secret file edited": _secret_file_edited,
    "image built anew": _image_built_anew,
    "other uplink": _other_settings,
}


def save(case: PlanCase, host: SimulatedHost) -> SavedPlan:
    """The plan as its file gives it back."""
    plan = case.plan_on(host)
    saved = SavedPlan(
        id="0123456789abcdef",
        version="0",
        created="2026-01-31T12:00:00.000Z",
        user="ada",
        host="here",
        data_dir=host.settings.data_dir,
        reading=Reading(("/home/ada/shop/vmm.yaml",)),
        desired=case.desired,
        options=case.options,
        plan=publish(plan),
        digests=step_digests(plan, host.settings),
        specs=spec_digests(plan),
        facts=gather_facts(case.desired, host.observe(case.desired), host.settings),
    )
    return saved_from_json(json.loads(json.dumps(saved_to_json(saved))))


def change(case: Path, host: SimulatedHost) -> None:
    """What happened to the host since."""
    said = json.loads((case / "since.json").read_text()) if (case / "since.json").exists() else {}
    power = said.pop("power", {})
    if (case / "since.yaml").exists():
        desired = with_power(parse_file(case / "since.yaml"), power)
        host.run(plan_for(host, desired, Options(**said)))
    for name in (case / "since").read_text().splitlines() if (case / "since").exists() else ():
        {**DAMAGES, **ACCIDENTS, **CHANGES}[name](host)


def refusal(saved: SavedPlan, plan: Plan, host: SimulatedHost) -> tuple[Problem, ...]:
    facts = gather_facts(saved.desired, host.observe(saved.desired), host.settings)
    return stale_problems(saved, publish(plan), spec_digests(plan), facts)


def ready(case: PlanCase) -> SimulatedHost:
    host = case.host()
    host.sources["/home/ada/shop/token"] = Source("file", "a" * 64, "salmon")
    return host


@pytest.mark.parametrize("name", NAMES)
def test_what_differs_is_named(name: str) -> None:
    case = read_case(CASES / name)
    host = ready(case)
    saved = save(case, host)
    plan = case.plan_on(host)
    assert is_same(saved, publish(plan), step_digests(plan, host.settings)), "nothing has changed yet"
    change(CASES / name, host)
    plan = case.plan_on(host)
    assert not is_same(saved, publish(plan), step_digests(plan, host.settings)), "nobody would notice"
    text = render_problems(refusal(saved, plan, host)) + "\n"
    assert "salmon" not in text
    assert "tuna" not in text
    file = CASES / name / "refusal.txt"
    if os.environ.get("VMM_REGEN_GOLDEN"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


def test_no_file_of_a_case_is_without_a_meaning() -> None:
    for case in NAMES:
        assert {file.name for file in (CASES / case).iterdir()} <= INPUTS | {"refusal.txt"}, case
