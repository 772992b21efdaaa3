"""The workflows: valid, with few rights, and calling scripts that are there with arguments they know."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.y*ml"))
RELEASING = [path for path in FILES if path.stem in ("release", "build-kernel", "build-rootfs")]
CALL = re.compile(r"(tools/[\w.-]+)((?: +(?:--?[\w-]+|\"[^\"]*\"|[\w./-]+))*)")


def read(path: Path) -> dict[Any, Any]:
    value: dict[Any, Any] = yaml.safe_load(path.read_text())
    return value


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in read(path)["jobs"].values() for step in job["steps"]]


def test_the_three_are_there() -> None:
    assert len(RELEASING) == 3


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_scripts_are_shell_and_call_what_is_there(path: Path) -> None:
    for step in steps(path):
        script = re.sub(r"\$\{\{.*?\}\}", "x", step.get("run", ""))
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{step}: {done.stderr}"
        # What comes from outside goes through the environment and never into the script's text.
        assert "${{" not in step.get("run", ""), step
        for name, arguments in CALL.findall(script):
            tool = ROOT / name
            assert tool.exists(), name
            text = tool.read_text() + (ROOT / "vmmcompose/cli/kernel/building.py").read_text()
            for option in re.findall(r"--[\w-]+", arguments):
                assert option in text, f"{name} does not know {option}"


@pytest.mark.parametrize("path", RELEASING, ids=lambda path: path.name)
def test_rights_are_few_and_actions_are_githubs_own(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["cancel-in-progress"] is False
    for job in workflow["jobs"].values():
        assert job.get("permissions", {"contents": "write"}) == {"contents": "write"}
        assert job["timeout-minutes"] <= 120
    for step in steps(path):
        assert re.fullmatch(r"actions/[\w-]+@v\d+", step.get("uses", "actions/checkout@v4"))
        assert step.get("with", {}).get("persist-credentials", False) is False
        if "github.token" in str(step):
            assert step["env"]["GH_TOKEN"] == "${{ github.token }}"
            assert (
                " gh release " in step["run"]
                or step["run"].startswith("gh release ")
                or "\ngh" in step["run"]
            )


@pytest.mark.parametrize("path", RELEASING, ids=lambda path: path.name)
def test_only_the_program_is_the_latest_release(path: Path) -> None:
    (create,) = [step["run"] for step in steps(path) if "gh release create" in step.get("run", "")]
    assert ("--latest=false" in create) == (path.stem != "release")
    assert "sha256sum --check SHA256SUMS" in create
