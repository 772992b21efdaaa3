"""`sudo vmm …` reads and writes the invoking user's settings, with the rights of that user."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sudo_user import UID, SudoUser

pytestmark = pytest.mark.root


@pytest.fixture
def ada() -> Iterator[SudoUser]:
    with SudoUser() as user:
        yield user


def shown(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.returncode == 0, done.stderr
    return {row["key"]: row["value"] for row in json.loads(done.stdout)["settings"]}


def test_the_invoking_users_file_counts(ada: SudoUser) -> None:
    text = '{"bridge_name": "br-ada", "vm_defaults": {"ssh_key_path": "~/k.pub"}}'
    file = ada.write(".config/vmm/config.json", text, mode=0o600)
    assert ada.vmm("config", "path").stdout == f"{file}\n"
    values = shown(ada.vmm("config", "show", "--json"))
    assert (values["bridge_name"], values["vm_defaults.ssh_key_path"]) == ("br-ada", f"{ada.home}/k.pub")


def test_what_is_made_belongs_to_the_user(ada: SudoUser) -> None:
    assert ada.vmm("config", "set", "vm_defaults.cpus", "2").returncode == 0
    file = ada.home / ".config" / "vmm" / "config.json"
    for path in (file, file.parent, file.parent.parent):
        assert (path.stat().st_uid, path.stat().st_gid) == (UID, UID), path
    assert json.loads(file.read_text()) == {"vm_defaults": {"cpus": 2}}
    assert [path.name for path in file.parent.iterdir()] == ["config.json"]


@pytest.mark.parametrize("link", [".config/vmm", ".config", ".config/vmm/config.json"])
def test_a_planted_link_does_not_make_root_write_elsewhere(ada: SudoUser, link: str) -> None:
    precious = ada.root / "of-root"
    precious.mkdir()
    (precious / "config.json").write_text('{"data_dir": "/precious"}')
    (precious / "config.json").chmod(0o600)
    place = ada.home / link
    place.parent.mkdir(parents=True, exist_ok=True)
    for folder in (ada.home / ".config", ada.home / ".config" / "vmm"):
        if folder.exists():
            os.chown(folder, UID, UID)
    place.symlink_to(precious / "config.json" if link.endswith("json") else precious)
    before = sorted((path.name, path.read_text()) for path in precious.rglob("*") if path.is_file())
    done = ada.vmm("config", "init", "--force", "--data-dir", "/mine")
    assert done.returncode == 1
    assert "Permission denied" in done.stderr
    assert "ada may not write there; " in done.stderr
    assert "chown" not in done.stderr, "no advice to give root's folder away"
    assert sorted((path.name, path.read_text()) for path in precious.rglob("*") if path.is_file()) == before


def test_a_link_to_roots_file_is_not_read_aloud(ada: SudoUser) -> None:
    """A fault in the file is shown with its line: that must not be a line of somebody else's."""
    secret: Path = ada.root / "secret"
    secret.write_text("root:hash-of-root\n")
    secret.chmod(0o600)
    file = ada.write(".config/vmm/config.json", "{}")
    file.unlink()
    file.symlink_to(secret)
    done = ada.vmm("config", "show")
    assert done.returncode == 64
    assert "cannot be read: Permission denied" in done.stderr
    assert "hash-of-root" not in done.stderr + done.stdout


def test_advice_names_the_users_home_and_not_roots(ada: SudoUser) -> None:
    done = ada.vmm("config", "set", "data_dir", "~/vmm")
    assert done.returncode == 64
    assert f"write {ada.home}/vmm" in done.stderr


def test_an_old_folder_of_roots_is_told_with_the_way_out(ada: SudoUser) -> None:
    """As the Go tool left it, which made it under sudo as root."""
    (ada.home / ".config" / "vmm").mkdir(parents=True)
    done = ada.vmm("config", "set", "hypervisor", "qemu")
    assert done.returncode == 1
    assert f"sudo chown -R ada {ada.home}/.config/vmm" in done.stderr
    assert list((ada.home / ".config" / "vmm").iterdir()) == []
