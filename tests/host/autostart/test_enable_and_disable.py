"""`vmm autostart enable` and `disable` on a host whose units lie in a throw-away folder."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNITS = "/etc/systemd/system"
pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="root is missing"),
    pytest.mark.skipif(shutil.which("systemctl") is None, reason="systemctl is missing"),
]


def on_host(tmp_path: Path, *scripts: str) -> subprocess.CompletedProcess[str]:
    """Runs shell lines where `vmm` is a function and the units' folder is empty at first."""
    (tmp_path / "shop").mkdir(exist_ok=True)
    (tmp_path / "shop" / "vmm.yaml").write_text("name: shop\nvms: {web: {image: tiny}}\n")
    vmm = f'vmm() {{ "{sys.executable}" -P -m vmmcompose --data-dir "{tmp_path}/data" "$@"; }}'
    script = "\n".join([f"mount -t tmpfs none {UNITS}", vmm, f'cd "{tmp_path}"', *scripts])
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_the_unit_comes_with_the_first_and_goes_with_the_last(tmp_path: Path) -> None:
    listing = f"find {UNITS} -mindepth 1 -not -type d | sort"
    done = on_host(
        tmp_path,
        f"echo mine > {UNITS}/other.service",
        "vmm autostart enable --project ./shop || exit 1",
        "vmm autostart enable --project blog || exit 2",
        "vmm autostart enable --project blog || exit 3",
        "vmm autostart list --json",
        "echo ---",
        listing,
        "echo ---",
        "vmm autostart disable --project shop || exit 4",
        f"{listing} | wc -l",
        "vmm autostart disable --project blog || exit 5",
        "vmm autostart disable --all || exit 6",
        listing,
    )
    assert done.returncode == 0, done.stderr
    listed, units, after = done.stdout.split("---\n")
    value = json.loads(listed)
    assert [row["name"] for row in value["enabled"]] == ["blog", "shop"]
    assert value["unit"]["installed"]
    name = value["unit"]["name"]
    assert units.split() == sorted(
        [f"{UNITS}/{name}", f"{UNITS}/multi-user.target.wants/{name}", f"{UNITS}/other.service"]
    )
    assert after.split() == ["3", f"{UNITS}/other.service"]
    assert "was not enabled" in done.stderr
    assert not (tmp_path / "data" / "state" / "autostart.json").exists()


def test_a_strangers_unit_of_that_name_is_left_alone(tmp_path: Path) -> None:
    done = on_host(
        tmp_path,
        "vmm autostart enable --project shop",
        f"unit=$(ls {UNITS}/vmm-autostart*); echo theirs > $unit",
        "vmm autostart enable --project blog && exit 1",
        "vmm autostart disable --all && exit 2",
        "cat $unit",
    )
    assert done.stdout == "theirs\n", done.stderr
    assert done.stderr.count("was not written by this vmm") == 2


def test_wrong_names_are_told(tmp_path: Path) -> None:
    done = on_host(tmp_path, "vmm autostart enable nosuch; echo $?; vmm autostart enable; echo $?")
    assert done.stdout.split() == ["64", "64"]
    assert "no VM 'nosuch'" in done.stderr
    assert "which project?" in done.stderr
