"""Each folder of `manifest/` is a case: `vmm.yaml` (or `recipe.json`, which makes one) and the exact outcome.

`choice.json` holds what the command line chooses: profiles, names, scale.

`VMM_REGEN_GOLDEN=1` writes the outcomes anew; read the diff before you commit it.
"""

import json
import os
import pprint
from dataclasses import asdict
from pathlib import Path

import pytest

from vmmcompose.errors import ManifestInvalid
from vmmcompose.manifest import parse_manifest
from vmmcompose.model.choice import Choice
from vmmcompose.render.problems import render_problems

CASES = Path(__file__).parent / "manifest"
NAMES = sorted(case.name for case in CASES.iterdir() if case.is_dir())
BASE_DIR = "/home/ada/shop"


def manifest_bytes(case: Path) -> bytes:
    recipe_file = case / "recipe.json"
    if not recipe_file.exists():
        return (case / "vmm.yaml").read_bytes()
    recipe = json.loads(recipe_file.read_text())
    if "hex" in recipe:
        return bytes.fromhex(recipe["hex"])
    text: str = recipe.get("prefix", "") + recipe["repeat"] * recipe["times"] + recipe.get("suffix", "")
    return text.encode()


def choice_of(case: Path) -> Choice:
    file = case / "choice.json"
    given = json.loads(file.read_text()) if file.exists() else {}
    scale = tuple(given.get("scale", {}).items())
    return Choice(tuple(given.get("profiles", ())), tuple(given.get("names", ())), scale)


def outcome(case: Path) -> tuple[str, str]:
    """The file that holds the outcome, and its text."""
    try:
        manifest = parse_manifest(manifest_bytes(case), "vmm.yaml", BASE_DIR, choice=choice_of(case))
    except ManifestInvalid as error:
        return "problems.txt", f"{render_problems(error.problems)}\n\n{error.message}\n"
    return "desired.txt", pprint.pformat(asdict(manifest.desired), width=110, sort_dicts=False) + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_golden_manifest(name: str) -> None:
    case = CASES / name
    file, text = outcome(case)
    if os.environ.get("VMM_REGEN_GOLDEN"):
        for old in ("problems.txt", "desired.txt"):
            (case / old).unlink(missing_ok=True)
        (case / file).write_text(text, encoding="utf-8")
    assert (case / file).exists(), f"this case ends in {file} now:\n{text}"
    assert text == (case / file).read_text(encoding="utf-8")


def test_good_cases_are_good_and_bad_ones_bad() -> None:
    for name in NAMES:
        expected = "desired.txt" if name.startswith("good-") else "problems.txt"
        assert (CASES / name / expected).exists(), name


def test_there_are_enough_bad_cases() -> None:
    assert len([name for name in NAMES if not name.startswith("good-")]) >= 50


def test_ten_mistakes_are_ten_problems_in_the_order_of_the_file() -> None:
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(manifest_bytes(CASES / "ten-mistakes"), "vmm.yaml", BASE_DIR)
    problems = caught.value.problems
    assert len(problems) == 10
    assert all(problem.place and problem.hint for problem in problems)
    lines = [problem.place.line for problem in problems if problem.place]
    assert lines == sorted(lines)
    assert caught.value.exit_code == 65
