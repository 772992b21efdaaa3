"""Programs are found where a shell would find them."""

import os
import shutil
from pathlib import Path

import pytest

from vmmcompose.host.programs import find_program


def program(folder: Path, name: str, mode: int = 0o755) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


def test_the_first_on_the_path_that_may_be_run_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    program(first, "tool", 0o644)
    (first / "other").mkdir()
    wanted = program(second, "tool")
    monkeypatch.setenv("PATH", f"{first}:{tmp_path}/missing:{second}")
    assert find_program("tool") == shutil.which("tool") == str(wanted)
    assert find_program("other") == ""
    assert find_program("ip") == ""


def test_a_name_with_a_slash_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = program(tmp_path / "a", "tool")
    monkeypatch.setenv("PATH", "")
    assert find_program(str(path)) == str(path)
    assert find_program(f"{path}x") == ""


def test_system_tools_are_found_where_the_path_leaves_their_folders_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tool = next((name for name in ("ip", "sysctl", "ldconfig") if os.access(f"/sbin/{name}", os.X_OK)), "")
    if not tool:
        pytest.skip("there is no known tool in /sbin")
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_program(tool) == ""
    assert os.path.samefile(find_program(tool, system=True), f"/sbin/{tool}")
