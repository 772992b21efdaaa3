"""A manifest that was read before is not parsed again, unless something that bears on its meaning changed."""

from pathlib import Path

import pytest

from vmmcompose.model.settings import Settings, VmDefaults
from vmmcompose.reconcile import load_project


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
