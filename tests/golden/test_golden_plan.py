"""Each folder of `plan/` is a case, see `plan_case`: `plan.txt` is what the plan must read like.

Where they are there, `steps.txt` is what its steps must be and `plan.json` what tools must be given.
`VMM_REGEN_GOLDEN=1` writes them anew; read the diff before you commit it.
"""

import json
import os
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from plan_case import plan_text, read_case, steps_text
from projects import DAMAGES

from vmmcompose.model.publicplan import plan_from_json, plan_to_json, publish

CASES = Path(__file__).parent / "plan"
NAMES = sorted(case.name for case in CASES.iterdir() if case.is_dir())
SCHEMA = Draft202012Validator(
    json.loads((Path(__file__).parents[2] / "schemas" / "plan.schema.json").read_text(encoding="utf-8"))
)
INPUTS = {"vmm.yaml", "before.yaml", "damage", "options.json"}


def check(file: Path, text: str) -> None:
    if os.environ.get("VMM_REGEN_GOLDEN"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_plan_reads_as_it_should(name: str) -> None:
    plan = read_case(CASES / name).plan()
    check(CASES / name / "plan.txt", plan_text(plan))
    if (CASES / name / "steps.txt").exists():
        check(CASES / name / "steps.txt", steps_text(plan))
    if (CASES / name / "plan.json").exists():
        value = json.dumps(plan_to_json(publish(plan)), indent=2, sort_keys=True, ensure_ascii=False)
        check(CASES / name / "plan.json", value + "\n")


@pytest.mark.parametrize("name", NAMES)
def test_its_json_keeps_to_the_schema_and_comes_back(name: str) -> None:
    public = publish(read_case(CASES / name).plan())
    value = json.loads(json.dumps(plan_to_json(public)))
    SCHEMA.validate(value)
    assert plan_from_json(value) == public


@pytest.mark.parametrize("name", NAMES)
def test_what_is_planned_leaves_nothing_to_do(name: str) -> None:
    """Every case that is not refused converges: the same spine again finds no difference."""
    case = read_case(CASES / name)
    host, plan = case.host(), case.plan()
    if any(problem.severity == "error" for problem in plan.problems):
        return
    host.run(plan)
    assert case.replan(host).changes == ()


def test_every_damage_has_its_case() -> None:
    healed = {name.removeprefix("healed-") for name in NAMES if name.startswith("healed-")}
    assert healed >= {name.replace(" ", "-") for name in DAMAGES}


def test_no_file_of_a_case_is_without_a_meaning() -> None:
    known = INPUTS | {"plan.txt", "steps.txt", "plan.json"}
    for case in NAMES:
        assert {file.name for file in (CASES / case).iterdir()} <= known, case
