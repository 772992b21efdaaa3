"""`vmm config`: what is shown, what is written, and what is refused with the file left as it was."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vmmcompose.cli.main import run
from vmmcompose.host.settingkeys import KEYS


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the settings file of this test lies; there is none yet."""
    for key in KEYS.values():
        monkeypatch.delenv(key.variable, raising=False)
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "vmm" / "config.json"


def content(file: Path) -> object:
    return json.loads(file.read_text())


def test_path_names_the_file_that_need_not_exist(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "path"]) == 0
    assert capfd.readouterr().out == f"{file}\n"
    assert not file.parent.exists()


def test_show_names_every_source(
    file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    file.parent.mkdir()
    file.write_text('{"vm_defaults": {"dns_servers": ["1.1.1.1", "::1"]}}')
    monkeypatch.setenv("VMM_CPUS", "7")
    assert run(["--data-dir", "/d", "config", "show"]) == 0
    lines = {line.split()[0]: line.split(maxsplit=2)[1:] for line in capfd.readouterr().out.splitlines()}
    assert lines["data_dir"] == ["/d", "--data-dir"]
    assert lines["vm_defaults.cpus"] == ["7", "VMM_CPUS"]
    assert lines["vm_defaults.dns_servers"] == ["1.1.1.1,::1", str(file)]
    assert lines["subnet"] == ["172.16.0.0/16", "built in"]
    assert run(["config", "show", "--json"]) == 0
    value = json.loads(capfd.readouterr().out)
    assert (value["schema_version"], value["file"]) == (1, str(file))
    rows = {row["key"]: row for row in value["settings"]}
    assert list(rows) == list(KEYS)
    assert rows["vm_defaults.dns_servers"] == {
        "key": "vm_defaults.dns_servers",
        "value": ["1.1.1.1", "::1"],
        "source": "file",
        "where": str(file),
    }


def test_set_makes_the_file_and_keeps_what_it_says(file: Path) -> None:
    assert run(["config", "set", "vm_defaults.cpus", "4", "release_repos", "ada/images, bob/more"]) == 0
    assert content(file) == {"vm_defaults": {"cpus": 4}, "release_repos": ["ada/images", "bob/more"]}
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    file.write_text('{"kernel_path": "", "subnet": "10.0.0.0/8",\n\n "vm_defaults": {"image": "grosse"}}')
    file.chmod(0o640)
    assert run(["config", "set", "vm_defaults.cpus", "2"]) == 0
    assert content(file) == {
        "kernel_path": "",
        "subnet": "10.0.0.0/8",
        "vm_defaults": {"image": "grosse", "cpus": 2},
    }
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in file.parent.iterdir()] == ["config.json"], "nothing is left beside it"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["gateway", "1.2.3.4"], "'gateway' is 1.2.3.4, which is not in the subnet 10.0.0.0/24"),
        (["subnet", "10.0.0.0/31"], "no room for a gateway"),
        (["cpus", "3"], "did you mean 'vm_defaults.cpus'?"),
        (["brige_name", "x"], "did you mean 'bridge_name'?"),
        (["vm_defaults", "{}"], "there is no setting 'vm_defaults'"),
        (["vm_defaults.cpus", "many"], "vm_defaults.cpus is 'many', which is no whole number"),
        (["vm_defaults.cpus", "99"], "must be from 1 to 32"),
        (["vm_defaults.memory_mb", "2GiB"], "it counts MiB"),
        (["data_dir", ""], "vmm config unset data_dir"),
        (["data_dir", "here"], "not an absolute path"),
        (["data_dir"], "there is no value for 'data_dir'"),
        (["data_dir", "/a", "subnet", "banana"], "no prefix length"),
    ],
)
def test_what_would_not_be_valid_is_not_written(
    file: Path, capfd: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    file.parent.mkdir()
    file.write_text('{"subnet":"10.0.0.0/24"}')
    assert run(["config", "set", *words]) == 64
    assert expected in capfd.readouterr().err
    assert file.read_text() == '{"subnet":"10.0.0.0/24"}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"subnet": oops}', "not valid JSON"),
        ("[]", "must hold a JSON object"),
        ('{"data_dir": "/a", "data_dir": "/b"}', "is there twice"),
        ('{"brige_name": "x"}', "unknown setting 'brige_name'"),
        ('{"vm_defaults": [1]}', "vmm config unset vm_defaults"),
    ],
)
def test_a_file_that_is_not_understood_is_left_alone(
    file: Path, capfd: pytest.CaptureFixture[str], text: str, expected: str
) -> None:
    file.parent.mkdir()
    file.write_text(text)
    assert run(["config", "set", "vm_defaults.cpus", "2"]) == 64
    assert expected in capfd.readouterr().err
    assert file.read_text() == text


def test_two_that_belong_together_are_set_at_once(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file.parent.mkdir()
    file.write_text('{"subnet": "10.0.0.0/24", "gateway": "10.0.0.9"}')
    assert run(["config", "set", "subnet", "10.1.0.0/24"]) == 64
    assert "vmm config set KEY VALUE KEY VALUE" in capfd.readouterr().err
    assert run(["config", "set", "subnet", "10.1.0.0/24", "gateway", "10.1.0.9"]) == 0
    assert content(file) == {"subnet": "10.1.0.0/24", "gateway": "10.1.0.9"}


def test_a_bad_value_is_mended_by_setting_it(file: Path) -> None:
    file.parent.mkdir()
    file.write_text('{"subnet": "banana", "brige_name": 3}')
    assert run(["config", "unset", "brige_name"]) == 64, "the subnet would still be wrong"
    assert run(["config", "set", "subnet", "10.1.0.0/24"]) == 64
    file.write_text('{"subnet": "banana"}')
    assert run(["config", "set", "subnet", "10.1.0.0/24"]) == 0


def test_unset(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file.parent.mkdir()
    file.write_text(
        '{"data_dir": "/a", "x": 1, "vm_defaults": {"cpus": 2, "image": "b"}, "kernel_path": "/k"}'
    )
    assert run(["config", "unset", "vm_defaults.cpus", "x", "kernel_path"]) == 0
    assert content(file) == {"data_dir": "/a", "vm_defaults": {"image": "b"}}
    assert run(["config", "unset", "vm_defaults.image", "subnet"]) == 0
    assert content(file) == {"data_dir": "/a"}
    assert run(["config", "unset", "vm_defaults"]) == 0
    assert run(["config", "unset", "dta_dir"]) == 64
    assert "did you mean 'data_dir'?" in capfd.readouterr().err


def test_init_writes_what_is_said_and_nothing_else(
    file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["config", "init"]) == 0
    assert content(file) == {}
    assert capfd.readouterr().out == f"{file}\n"
    assert run(["config", "init", "--data-dir", "/srv/vmm"]) == 1
    assert "is there already" in capfd.readouterr().err
    assert content(file) == {}
    monkeypatch.setenv("VMM_DNS_SERVERS", "1.1.1.1")
    file.write_text("what was this?")
    assert run(["config", "init", "--force", "--data-dir", "/srv/vmm"]) == 0
    assert content(file) == {"data_dir": "/srv/vmm", "vm_defaults": {"dns_servers": ["1.1.1.1"]}}
    assert run(["--data-dir", "/a", "config", "init", "--force", "--data-dir", "relative"]) == 64
    assert run(["--data-dir", "/a", "config", "init", "--force"]) == 0
    assert content(file) == {"data_dir": "/a", "vm_defaults": {"dns_servers": ["1.1.1.1"]}}


def test_a_variable_that_wins_is_told(
    file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VMM_CPUS", "3")
    assert run(["config", "set", "vm_defaults.cpus", "2"]) == 0
    assert "VMM_CPUS is set as well, and wins" in capfd.readouterr().err
    assert content(file) == {"vm_defaults": {"cpus": 2}}, "what the variable says is not judged here"


def test_a_link_to_the_file_stays_a_link(file: Path, tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "dotfiles" / "vmm.json").write_text("{}")
    file.parent.mkdir()
    file.symlink_to(tmp_path / "dotfiles" / "vmm.json")
    assert run(["config", "set", "hypervisor", "qemu"]) == 0
    assert file.is_symlink()
    assert content(tmp_path / "dotfiles" / "vmm.json") == {"hypervisor": "qemu"}


def test_a_folder_in_the_files_place(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file.mkdir(parents=True)
    assert run(["config", "set", "hypervisor", "qemu"]) == 64
    assert "it is a folder" in capfd.readouterr().err


def test_changes_at_the_same_time_are_all_kept(file: Path) -> None:
    names = ["cpus", "memory_mb", "disk_size_mb"]
    commands = [
        [sys.executable, "-m", "vmmcompose", "config", "set", f"vm_defaults.{name}", str(number)]
        for name in names
        for number in (32, 32)
    ]
    running = [subprocess.Popen(command, env={**os.environ}) for command in commands]
    assert [process.wait(60) for process in running] == [0] * len(commands)
    assert content(file) == {"vm_defaults": dict.fromkeys(names, 32)}


def test_what_a_killed_command_left_is_removed(file: Path) -> None:
    file.parent.mkdir()
    (file.parent / "config.json.tmp.4711").write_text('{"half')
    (file.parent / "config.json.bak").write_text("mine")
    assert run(["config", "set", "hypervisor", "qemu"]) == 0
    assert sorted(path.name for path in file.parent.iterdir()) == ["config.json", "config.json.bak"]
