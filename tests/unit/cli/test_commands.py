"""The table of commands: everything in it can be imported, help imports nothing, errors have their codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from vmmcompose import __version__
from vmmcompose.cli.main import COMMANDS, run, vmm

ROOT = Path(__file__).parents[3]


def call(*args: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("VMM_")}
    return subprocess.run(
        [sys.executable, "-m", "vmmcompose", *args],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**clean, "PYTHONPATH": str(ROOT), **env},
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_the_same_first_words(name: str) -> None:
    context = click.Context(vmm, info_name="vmm")
    command = vmm.get_command(context, name)
    assert command is not None
    assert command.name == name
    text = command.get_help(click.Context(command, info_name=name, parent=context))
    assert text.startswith(f"Usage: vmm {name}")
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name}: {parameter.opts} has no help"


@pytest.mark.parametrize("args", [["--version"], ["--help"], ["version"], ["--debug", "--version"]])
def test_help_and_version_import_nothing_heavy(args: list[str]) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "vmmcompose", *args]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "vmmcompose" in imported
    heavy = {"rich", "yaml", "jsonschema", "pyroute2", "requests", "structlog", "subprocess", "hashlib"}
    assert not heavy & imported


def test_version_in_all_spellings() -> None:
    for args in (["--version"], ["version"], ["-q", "version"]):
        done = call(*args)
        assert (done.returncode, done.stdout) == (0, f"vmm {__version__}\n")
    value = json.loads(call("version", "--json").stdout)
    assert (value["schema_version"], value["version"]) == (1, __version__)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["dwon"], "did you mean `vmm down`?"),
        (["destroy"], "did you mean `vmm down`?"),
        (["validate"], "did you mean `vmm manifest check`?"),
        (["image", "ls"], "did you mean `vmm image list`?"),
        (["manifest", "validate"], "there is no command 'validate'\n"),
        (["up", "--down-on-exit"], "--down-on-exit is for --watch"),
        (["up", "--watch", "--dry-run"], "--dry-run and --watch exclude each other"),
        (["watch", "--once", "--down-on-exit"], "--once and --down-on-exit exclude each other"),
        (["watch", "--once", "--logs"], "--once and --logs exclude each other"),
        (["up", "-d"], "`vmm up` comes back when the VMs answer"),
        (["logs", "-d"], "hint: vmm logs --help tells more"),
        (["volume", "list", "-f", "x"], "hint: -f stands before the command: vmm -f … volume list"),
        (["--nonsense"], "--nonsense"),
        (["up", "--timeout", "soon"], "soon"),
        (["ssh"], "VM"),
        (["plan", "--file", "x"], "--file"),
        (["exec", "web"], "needs a command"),
    ],
)
def test_usage_errors_end_with_64(tmp_path: Path, args: list[str], expected: str) -> None:
    done = call("--data-dir", str(tmp_path / "d"), *args, cwd=tmp_path)
    assert done.returncode == 64
    assert expected in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_group_alone_shows_its_help_once(tmp_path: Path) -> None:
    done = call("manifest", cwd=tmp_path)
    assert done.returncode == 64
    assert done.stderr.count("Usage:") == 1
    assert "Print the manifest" in done.stderr


@pytest.mark.parametrize("args", [["up", "--bogus"], ["manifest"], ["bogus"]])
def test_usage_errors_are_json_where_that_is_asked_for(tmp_path: Path, args: list[str]) -> None:
    done = call("--log-format", "json", *args, cwd=tmp_path)
    assert done.returncode == 64
    (line,) = done.stderr.splitlines()
    assert json.loads(line)["exit_code"] == 64


def test_no_manifest_is_a_usage_error(tmp_path: Path) -> None:
    done = call("plan", cwd=tmp_path)
    assert done.returncode == 64
    assert "there is no vmm.yaml" in done.stderr
    assert "hint:" in done.stderr


def test_bad_manifest_ends_with_65(tmp_path: Path) -> None:
    (tmp_path / "vmm.yaml").write_text("name: x\nvms:\n  web: {image: tiny, cpu: 2}\n")
    done = call("--data-dir", str(tmp_path / "d"), "plan", cwd=tmp_path)
    assert done.returncode == 65
    assert "vmm.yaml:3:" in done.stderr
    assert "cpus" in done.stderr


def test_bad_settings_end_with_64(tmp_path: Path) -> None:
    done = call("ps", cwd=tmp_path, VMM_SUBNET="banana")
    assert done.returncode == 64
    assert "VMM_SUBNET is 'banana'" in done.stderr
    assert "e.g. 172.16.0.0/16" in done.stderr


def test_errors_as_json(tmp_path: Path) -> None:
    done = call("--log-format", "json", "plan", cwd=tmp_path)
    value = json.loads(done.stderr)
    assert (done.returncode, value["exit_code"], value["level"]) == (64, 64, "error")


def test_an_unexpected_fault_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by hand")

    monkeypatch.setattr("vmmcompose.cli.ps.read_all", broken)
    assert run(["list"]) == 70
    said = capfd.readouterr().err
    assert "unexpected ZeroDivisionError: by hand" in said
    assert "--debug" in said
    assert "Traceback" not in said
    assert run(["--debug", "list"]) == 70
    assert "Traceback" in capfd.readouterr().err


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "vmmcompose", "--data-dir", str(tmp_path), "list", "--json"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_commands_page_is_as_the_help_texts() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "commands-page"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout == (ROOT / "docs" / "commands.md").read_text(), "run tools/regen-golden"
