"""A manifest that was read before is not parsed again, unless something that bears on its meaning changed."""

from pathlib import Path

import pytest

from vmmcompose.errors import UsageError
from vmmcompose.model.settings import Settings, VmDefaults
from vmmcompose.reconcile import load_project

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB8Ht8Z3j6yDWPBHQtOp/R9rjWvfMYo3MSA/K6q8D86r"


def test_changed_settings_are_not_answered_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    manifest = tmp_path / "vmm.yaml"
    manifest.write_text("name: shop\nvms: {web: {image: tiny}}\n")

    def cpus(defaults: VmDefaults) -> int:
        settings = Settings(data_dir=str(tmp_path), vm_defaults=defaults)
        return load_project(settings, str(manifest)).desired.vms[0].cpus

    assert cpus(VmDefaults()) == 1
    assert cpus(VmDefaults(cpus=4)) == 4
    monkeypatch.setattr("vmmcompose.manifest.parse_manifest", None)
    assert cpus(VmDefaults(cpus=4)) == 4, "remembered"


def test_keys_in_the_named_file_go_to_vms_that_name_none(tmp_path: Path) -> None:
    manifest, key = tmp_path / "vmm.yaml", tmp_path / "id.pub"
    manifest.write_text("name: shop\nvms: {web: {image: tiny}, bare: {image: tiny, ssh_keys: []}}\n")
    settings = Settings(data_dir=str(tmp_path), vm_defaults=VmDefaults(ssh_key_path=str(key)))
    (tmp_path / "state").mkdir()
    with pytest.raises(UsageError, match=f"vm_defaults.ssh_key_path: the public key {key} cannot be read"):
        load_project(settings, str(manifest))
    for line in (f"{KEY} one", f"{KEY} two"):
        key.write_text(f"# mine\n{line}\n")
        keys = {vm.name: vm.ssh_keys for vm in load_project(settings, str(manifest)).desired.vms}
        assert keys == {"web": (line,), "bare": ()}, "also when the file changed since"
