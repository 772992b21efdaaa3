"""`vmm manifest`: what it prints, where, and with which exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vmmcompose.manifest import editor_schema, parse_manifest

ROOT = Path(__file__).parents[3]
MANIFEST = """\
name: shop
defaults: {image: tiny}
vms:
  web:
    cpus: ${CPUS:-2}
    env: ["PASSWORD=$PASSWORD"]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "vmm.yaml").write_text(MANIFEST)
    (folder / ".env").write_text("PASSWORD='pa$$word'\n")
    return folder


def vmm(project: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("VMM_")}
    return subprocess.run(
        [sys.executable, "-m", "vmmcompose", "--data-dir", str(project.parent / "data"), *args],
        capture_output=True,
        text=True,
        cwd=project,
        env={**clean, "PYTHONPATH": str(ROOT), **env},
        stdin=subprocess.DEVNULL,
        check=False,
    )


def test_show_prints_one_manifest(project: Path) -> None:
    done = vmm(project, "manifest", "show")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "name: shop\ndefaults:\n  image: tiny\nvms:\n  web:\n    cpus: 2\n    env:\n"
        '      - "PASSWORD=pa$$$$word"\n'
    )
    desired = parse_manifest(done.stdout.encode(), "vmm.yaml", str(project)).desired
    assert desired.vms[0].env == (("PASSWORD", "pa$$word"),)


def test_show_says_where_values_come_from(project: Path) -> None:
    (project / "ci.yaml").write_text("# for CI\nvms:\n  web: {memory: 64MiB}\n")
    args = ("-f", "vmm.yaml", "-f", "ci.yaml", "-p", "ci", "manifest", "show", "--origins")
    lines = vmm(project, *args, CPUS="3").stdout.splitlines()
    assert lines[0] == "name: ci  # vmm.yaml:1"
    assert "    cpus: 3  # vmm.yaml:5" in lines
    assert "    memory: 64MiB  # ci.yaml:3" in lines
    value = json.loads(vmm(project, *args, "--format", "json").stdout)
    assert value["manifest"]["vms"]["web"]["memory"] == "64MiB"
    assert value["origins"]["vms"]["web"]["memory"] == "ci.yaml:3"


def test_json_has_only_numbers_that_json_knows(project: Path) -> None:
    (project / "vmm.yaml").write_text(
        "name: shop\nvms: {web: {image: tiny}}\nx-limits: [.inf, -.inf, .nan, 1e3]\n"
    )
    text = vmm(project, "manifest", "show", "--format", "json").stdout
    assert json.loads(text, parse_constant=pytest.fail)["x-limits"] == [".inf", "-.inf", ".nan", 1000.0]


def test_json_is_a_manifest_too(project: Path) -> None:
    text = vmm(project, "manifest", "show", "--format", "json").stdout
    (project / "shown.json").write_text(text)
    assert (
        vmm(project, "-f", "shown.json", "manifest", "show").stdout == vmm(project, "manifest", "show").stdout
    )


def test_check_is_quiet_on_standard_output(project: Path) -> None:
    done = vmm(project, "manifest", "check")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "project shop, one VM: no mistakes in .env, vmm.yaml\n"
    assert vmm(project, "-q", "manifest", "check").stderr == ""


def test_check_tells_all_problems_of_all_files_and_exits_with_65(project: Path) -> None:
    (project / ".env").write_text("PASSWORD=$NOT_THERE\n")
    (project / "vmm.override.yaml").write_text("vms:\n  web: {cpu: 1}\n  db: {memory: ${MEMORY}\n")
    (project / "more.yaml").write_text("vms:\n  db: {memory: '${MEMORY}'}\n  web: {cpu: 1}\n")
    done = vmm(project, "manifest", "check")
    assert done.returncode == 65
    assert "vmm.override.yaml:3" in done.stderr
    done = vmm(project, "-f", "vmm.yaml", "-f", "more.yaml", "manifest", "check")
    assert (done.returncode, done.stdout) == (65, "")
    for place in (".env:1:10", "more.yaml:2:17", "more.yaml:3:9"):
        assert f"--> {place}\n" in done.stderr
    assert done.stderr.endswith("vmm: .env and more.yaml have 3 problems\n")


def test_the_commands_that_read_the_manifest_take_the_same_options(project: Path) -> None:
    (project / "prod.env").write_text("PASSWORD=x\nCPUS=99\n")
    for command in (("plan",), ("manifest", "check"), ("graph",)):
        done = vmm(project, "--env-file", "prod.env", *command)
        assert done.returncode == 65, command
        assert "`cpus` must be a whole number from 1 to 32, not `99`" in done.stderr


def test_schema_is_the_one_for_editors(project: Path) -> None:
    done = vmm(project, "manifest", "schema")
    assert done.stdout == editor_schema()
    assert "vms" in json.loads(done.stdout)["properties"]
