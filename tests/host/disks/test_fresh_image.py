"""An image exchanged under a running guest: the new one or the old one, with its sidecar, whatever happens."""

import json
from pathlib import Path

import pytest
from image_lab import assert_sound, plant

from vmmcompose.errors import HostError
from vmmcompose.host.ext4 import read_file
from vmmcompose.host.freshimage import fresh_image
from vmmcompose.host.mounts import build_mount, source_digest
from vmmcompose.model.desired import Mount


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the images are; one is there already, and the directory has changed since."""
    folder = tmp_path / "images"
    folder.mkdir()
    plant(tmp_path / "site", {"page": "old"})
    build_mount(mount(folder), folder / "site.ext4", folder / "site.json")
    (tmp_path / "site" / "page").write_text("newer")
    return folder


def mount(place: Path) -> Mount:
    return Mount("site", str(place.parent / "site"), "ro")


def names(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def test_the_new_image_gets_its_sidecar_when_the_guest_has_it(place: Path) -> None:
    image, info = place / "site.ext4", place / "site.json"
    held = image.open("rb")  # as the VMM has it
    with fresh_image(mount(place), image, info) as fresh:
        assert read_file(image, "/page") == b"old"
        with fresh.in_place():
            assert read_file(image, "/page") == b"newer"
            assert not info.exists()
        fresh.keep()
    assert json.loads(info.read_text())["digest"] == source_digest(place.parent / "site")
    assert names(place) == ["site.ext4", "site.json"]
    assert_sound(image)
    held.close()


def test_where_it_cannot_be_attached_the_old_one_is_back(place: Path) -> None:
    image, info = place / "site.ext4", place / "site.json"
    before = image.stat().st_ino, info.read_bytes()
    with (
        pytest.raises(HostError, match="refused"),
        fresh_image(mount(place), image, info) as fresh,
        fresh.in_place(),
    ):
        raise HostError("refused")
    assert (image.stat().st_ino, info.read_bytes()) == before
    assert names(place) == ["site.ext4", "site.json"]


def test_what_was_not_exchanged_leaves_nothing(place: Path) -> None:
    image, info = place / "site.ext4", place / "site.json"
    before = image.stat().st_ino, info.read_bytes()
    with pytest.raises(HostError, match="busy"), fresh_image(mount(place), image, info):
        raise HostError("busy")
    assert (image.stat().st_ino, info.read_bytes()) == before
    assert names(place) == ["site.ext4", "site.json"]
