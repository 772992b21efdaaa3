"""The unit that `vmm autostart` writes, judged by systemd itself."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from vmmcompose.errors import HostError
from vmmcompose.host.autostart import read_enabled, refuse_stranger, unit_name, unit_text, write_enabled
from vmmcompose.model.autostart import Enabled
from vmmcompose.model.paths import Paths
from vmmcompose.model.settings import Settings


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing")
def test_systemd_finds_no_fault_with_it(tmp_path: Path) -> None:
    odd = tmp_path / 'a b%i"$HOME'
    odd.mkdir()
    unit = tmp_path / "vmm-autostart.service"
    unit.write_text(unit_text(Settings(data_dir=str(odd)), {"VMM_BRIDGE_NAME": "br 100%"}))
    command = ["systemd-analyze", "verify", "--recursive-errors=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert str(unit) not in done.stderr


def test_each_data_folder_has_a_unit_of_its_own(tmp_path: Path) -> None:
    mine, theirs = Settings(data_dir="/srv/a"), Settings(data_dir="/srv/b")
    assert len({unit_name(Settings()), unit_name(mine), unit_name(theirs)}) == 3
    unit = tmp_path / "unit"
    unit.write_text(unit_text(mine, {}))
    refuse_stranger(str(unit), mine)
    with pytest.raises(HostError, match="not written by this vmm"):
        refuse_stranger(str(unit), replace(mine, data_dir="/srv/ab"))


def test_the_list_is_kept_and_an_empty_one_is_no_file(tmp_path: Path) -> None:
    paths = Paths(PurePosixPath(tmp_path))
    assert read_enabled(paths) == Enabled()
    write_enabled(paths, Enabled(("shop",), ("dev",)))
    assert read_enabled(paths) == Enabled(("shop",), ("dev",))
    write_enabled(paths, Enabled())
    assert not Path(paths.autostart()).exists()
    Path(paths.autostart()).write_text("[]")
    with pytest.raises(HostError, match="damaged"):
        read_enabled(paths)
