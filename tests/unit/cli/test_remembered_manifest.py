"""A manifest that was read before is not parsed again, unless something that bears on its meaning changed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from vmmcompose import manifest
from vmmcompose.errors import ManifestInvalid, UsageError
from vmmcompose.loading import load_project
from vmmcompose.model.choice import Choice
from vmmcompose.model.reading import Reading
from vmmcompose.model.settings import Settings, VmDefaults

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB8Ht8Z3j6yDWPBHQtOp/R9rjWvfMYo3MSA/K6q8D86r"


def test_changed_settings_are_not_answered_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    file = tmp_path / "vmm.yaml"
    file.write_text("name: shop\nvms: {web: {image: tiny}}\n")

    def cpus(defaults: VmDefaults) -> int:
        settings = Settings(data_dir=str(tmp_path), vm_defaults=defaults)
        return load_project(settings, Reading((str(file),))).desired.vms[0].cpus

    assert cpus(VmDefaults()) == 1
    assert cpus(VmDefaults(cpus=4)) == 4
    monkeypatch.setattr("vmmcompose.manifest.parse_project", None)
    assert cpus(VmDefaults(cpus=4)) == 4, "remembered"


def test_keys_in_the_named_file_go_to_vms_that_name_none(tmp_path: Path) -> None:
    file, key = tmp_path / "vmm.yaml", tmp_path / "id.pub"
    file.write_text("name: shop\nvms: {web: {image: tiny}, bare: {image: tiny, ssh_keys: []}}\n")
    settings = Settings(data_dir=str(tmp_path), vm_defaults=VmDefaults(ssh_key_path=str(key)))
    (tmp_path / "state").mkdir()
    with pytest.raises(UsageError, match=f"vm_defaults.ssh_key_path: the public key {key} cannot be read"):
        load_project(settings, Reading((str(file),)))
    for line in (f"{KEY} one", f"{KEY} two"):
        key.write_text(f"# mine\n{line}\n")
        keys = {vm.name: vm.ssh_keys for vm in load_project(settings, Reading((str(file),))).desired.vms}
        assert keys == {"web": (line,), "bare": ()}, "also when the file changed since"


class Folder:
    """A project's folder, and how often its manifest was parsed."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = path
        self.parsed = 0
        (path / "data" / "state").mkdir(parents=True)
        real = manifest.parse_project

        def counting(*args: Any, **kwargs: Any) -> Any:
            self.parsed += 1
            return real(*args, **kwargs)

        monkeypatch.setattr("vmmcompose.manifest.parse_project", counting)
        monkeypatch.chdir(path)

    def write(self, name: str, text: str) -> None:
        (self.path / name).parent.mkdir(exist_ok=True)
        (self.path / name).write_text(text)

    def load(self, *files: str, environ: Mapping[str, str] = {}, **how: Any) -> dict[str, Any]:
        settings = Settings(data_dir=str(self.path / "data"))
        desired = load_project(settings, Reading(files, environ=environ, **how)).desired
        return {"project": desired.project, **{vm.name: (vm.cpus, dict(vm.env)) for vm in desired.vms}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    folder = Folder(tmp_path, monkeypatch)
    folder.write(
        "vmm.yaml", "name: shop\ndefaults: {image: tiny}\nvms: {web: {cpus: '${N:-1}', env: {A: '${A-}'}}}\n"
    )
    return folder


def test_files_that_appear_change_or_go(folder: Folder) -> None:
    def told() -> tuple[Any, int]:
        before = folder.parsed
        answers = [folder.load()["web"][0] for _ in range(2)]
        assert answers[0] == answers[1]
        return answers[0], folder.parsed - before

    assert told() == (1, 1)
    folder.write(".env", "N=2\n")
    assert told() == (2, 1), "the env file that was not there"
    folder.write("vmm.override.yaml", "vms: {web: {cpus: 3}}\n")
    assert told() == (3, 1), "the override that was not there"
    folder.write("vmm.override.yaml", "include: [sub/more.yaml]\n")
    folder.write("sub/more.yaml", "vms: {more: }\n")
    assert told() == (2, 1)
    assert "more" in folder.load()
    folder.write("sub/.env", "N=9\n")
    assert told() == (2, 1), "beside the included file"
    folder.write("sub/more.yaml", "vms: {other: }\n")
    assert told() == (2, 1)
    assert "other" in folder.load()
    for name in ("vmm.override.yaml", ".env"):
        (folder.path / name).unlink()
        assert told()[1] <= 1
    assert told() == (1, 0)


def test_variables_that_are_asked_for_and_others(folder: Folder) -> None:
    assert folder.load()["web"] == (1, {"A": ""})
    assert folder.load(environ={"UNRELATED": "x"})["web"] == (1, {"A": ""})
    assert folder.parsed == 1
    assert folder.load(environ={"N": "2"})["web"] == (2, {"A": ""})
    for _ in range(2):
        assert folder.load(environ={"N": "2", "A": ""})["web"] == (2, {"A": ""})
        assert folder.parsed == 3, "empty is not unset"


def test_each_way_of_reading_is_remembered_on_its_own(folder: Folder) -> None:
    folder.write("b.yaml", "vms: {b: }\n")
    folder.write("e.env", "N=5\n")
    ways: list[tuple[tuple[str, ...], dict[str, Any]]] = [
        ((), {}),
        (("vmm.yaml", "b.yaml"), {}),
        ((), {"project": "other"}),
        ((), {"env_files": ("e.env",)}),
        ((), {"choice": Choice(profiles=("debug",))}),
        ((), {"choice": Choice(scale=(("web", 2),))}),
    ]
    first = [folder.load(*files, **how) for files, how in ways]
    assert folder.parsed == len(ways)
    assert [folder.load(*files, **how) for files, how in ways] == first
    assert folder.parsed == len(ways)
    assert first[2]["project"] == "other"
    assert first[3]["web"][0] == 5


def test_only_so_many_are_remembered(folder: Folder) -> None:
    for number in range(70):
        folder.load(project=f"p{number}")
    assert len(list((folder.path / "data" / "state" / "manifests").iterdir())) == 64
    parsed = folder.parsed
    folder.load(project="p69")
    assert folder.parsed == parsed
    folder.load(project="p0")
    assert folder.parsed == parsed + 1, "the oldest are forgotten"


def test_a_folder_stands_for_its_manifest_and_override(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("vmm.override.yaml", "vms: {web: {cpus: 3}}\n")
    inner = folder.path / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    assert folder.load()["web"][0] == 3, "found above"
    assert folder.load("..")["web"][0] == 3
    assert folder.load("../vmm.yaml")["web"][0] == 1, "a named file is all there is"


def test_what_cannot_be_read_is_told(folder: Folder) -> None:
    (folder.path / ".env").mkdir()
    assert folder.load()["web"][0] == 1, "a folder called .env is somebody else's"
    with pytest.raises(UsageError, match=r"there is no manifest missing\.yaml"):
        folder.load("vmm.yaml", "missing.yaml")
    with pytest.raises(ManifestInvalid, match=r"missing\.env has a problem"):
        folder.load(env_files=("missing.env",))
