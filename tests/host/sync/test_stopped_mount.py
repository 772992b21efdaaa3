"""A stopped VM's mount: what is told of its image, and what may come out of it."""

import os
import shutil
import stat
from pathlib import Path, PurePosixPath

import pytest
from driver_case import make_spec

from vmmcompose.errors import HostError, NoSpace
from vmmcompose.host import ext4, mounts
from vmmcompose.host.sync.stopped import StoppedMount
from vmmcompose.model.desired import Mount
from vmmcompose.model.paths import Paths

pytestmark = pytest.mark.root
SPEC = make_spec("qemu")


class Sides:
    """A directory with an image made of it, and what the guest makes of its copy."""

    def __init__(self, root: Path) -> None:
        self.host, self.guest = root / "host", root / "guest"
        self.paths = Paths(PurePosixPath(root / "data"))
        self.mount = Mount("src", str(self.host), "rw", ignore=("*.o",))
        self.image = Path(self.paths.mount(SPEC.name, "src"))
        self.image.parent.mkdir(parents=True)
        self.host.mkdir()

    def build(self) -> None:
        info, base = (
            self.paths.mount_info(SPEC.name, "src"),
            self.paths.mount_base(SPEC.name, "src"),
        )
        mounts.build_mount(self.mount, self.image, info, base)
        shutil.copytree(self.host, self.guest, symlinks=True)

    def shut_down(self) -> None:
        """The guest's side becomes the image, as it is after the VM has stopped."""
        ext4.make_image(self.guest, self.image, label="src", size_mib=64)

    def opened(self) -> StoppedMount:
        return StoppedMount(self.paths, SPEC, self.mount)


@pytest.fixture
def sides(tmp_path: Path) -> Sides:
    made = Sides(tmp_path)
    (made.host / "lib").mkdir()
    for name in ("kept", "edited", "deleted", "both", "lib/deep"):
        (made.host / name).write_text(f"{name}\n")
    made.build()
    return made


def test_changes_of_a_stopped_guest_are_told_and_come_back(sides: Sides) -> None:
    guest = sides.guest
    (guest / "edited").write_text("by the guest\n")
    (guest / "both").write_text("the guest's\n")
    (guest / "deleted").unlink()
    big = os.urandom(5 << 20)
    (guest / "lib" / "big").write_bytes(big)
    (guest / "odd\nname").write_text("odd")
    (guest / "link").symlink_to("lib/deep")
    (guest / ("l" * 200)).symlink_to("lib/" + "x" * 150)
    (guest / "main.o").write_text("ignored")
    with (guest / "holes").open("wb") as file:
        file.seek(20 << 20)
        file.write(b"end")
    (sides.host / "both").write_text("the host's own\n")
    sides.shut_down()
    with sides.opened() as stopped:
        told = {one.path: (one.host, one.guest) for one in stopped.diff()}
        assert told == {
            "edited": ("", "changed"),
            "both": ("changed", "changed"),
            "deleted": ("", "deleted"),
            "lib/big": ("", "added"),
            "odd\nname": ("", "added"),
            "link": ("", "added"),
            "l" * 200: ("", "added"),
            "holes": ("", "added"),
        }
        report = stopped.pull()
    assert report.conflicts == ("both",)
    assert (sides.host / "both").read_text() == "the host's own\n"
    assert (sides.host / "edited").read_text() == "by the guest\n"
    assert (sides.host / "lib" / "big").read_bytes() == big
    assert (sides.host / "odd\nname").read_text() == "odd"
    assert (sides.host / "link").readlink() == Path("lib/deep")
    assert (sides.host / ("l" * 200)).readlink() == Path("lib/" + "x" * 150)
    assert (sides.host / "holes").read_bytes() == (guest / "holes").read_bytes()
    assert (sides.host / "holes").stat().st_blocks < 100
    assert not (sides.host / "deleted").exists()
    assert not (sides.host / "main.o").exists()
    with sides.opened() as stopped:
        assert [one.path for one in stopped.diff()] == ["both"]
        stopped.pull(force=True)
        assert stopped.diff() == ()
    assert (sides.host / "both").read_text() == "the guest's\n"


def test_nothing_of_an_image_leads_out_of_the_directory(sides: Sides, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    guest = sides.guest
    (guest / "away").symlink_to(outside)
    (guest / "up").symlink_to("../outside")
    (guest / "program").write_text("#!/bin/sh\n")
    (guest / "program").chmod(0o6755)
    os.mkfifo(guest / "pipe")
    os.mknod(guest / "device", stat.S_IFBLK | 0o666, os.makedev(8, 0))
    shutil.rmtree(guest / "lib")
    (guest / "lib").symlink_to(outside)
    (sides.host / "trap").symlink_to(outside)
    (guest / "trap").mkdir()
    (guest / "trap" / "file").write_text("out")
    sides.shut_down()
    with sides.opened() as stopped:
        report = stopped.pull(force=True)
    assert list(outside.iterdir()) == []
    for name in ("away", "up", "pipe", "device"):
        assert not os.path.lexists(sides.host / name)
        assert any(text.startswith(f"{name}: ") for text in report.skipped)
    assert stat.S_IMODE((sides.host / "program").stat().st_mode) == 0o755


def test_a_file_of_more_than_there_is_room_for_is_refused(sides: Sides) -> None:
    with (sides.guest / "endless").open("wb") as file:
        file.truncate(1 << 43)
    sides.shut_down()
    with sides.opened() as stopped, pytest.raises(NoSpace):
        stopped.pull()
    assert not (sides.host / "endless").exists()


def test_noise_is_no_image(sides: Sides) -> None:
    sides.image.write_bytes(os.urandom(1 << 20))
    with pytest.raises(HostError), sides.opened() as stopped:
        stopped.pull()


@pytest.mark.parametrize("seed", range(20))
def test_a_spoilt_image_does_no_harm(sides: Sides, seed: int, tmp_path: Path) -> None:
    """Bytes of its tables are others: it is refused, or something of it comes, below the directory."""
    from random import Random

    random = Random(seed)
    sides.shut_down()
    data = bytearray(sides.image.read_bytes())
    for _ in range(200):
        data[random.randrange(2048, 1 << 20)] ^= random.randrange(1, 256)
    sides.image.write_bytes(data)
    before = sorted(path.name for path in tmp_path.iterdir())
    try:
        with sides.opened() as stopped:
            stopped.pull(force=True)
    except HostError:
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == before
