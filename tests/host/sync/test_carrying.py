"""What rules of `watch` carry: into folders that are the guest's as well, and single files under another name."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import pytest
from guest_spec import SPEC
from sync_lab import SyncLab, calm

from vmmcompose.errors import HostError
from vmmcompose.host.sync import session
from vmmcompose.host.sync.carrying import Carrying
from vmmcompose.model.desired import WatchRule
from vmmcompose.model.paths import Paths

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def _no_ssh(monkeypatch: pytest.MonkeyPatch, lab: SyncLab) -> None:
    """The line that ssh would hand to the guest's shell is run by one here."""
    monkeypatch.setattr(session, "batch_argv", lambda _paths, _spec, line: lab.argv(("sh", "-c", line)))


@contextmanager
def carrying(lab: SyncLab, path: Path, target: Path, *ignore: str) -> Iterator[Carrying]:
    paths = Paths(PurePosixPath(lab.guest.parent / "data"))
    os.makedirs(str(paths.vm_dir(SPEC.name)), exist_ok=True)
    rule = WatchRule(str(path), "sync", str(target), ignore)
    with Carrying(paths, SPEC, rule, ignore) as opened:
        yield opened


def test_a_directory_goes_into_one_that_is_made_for_it_and_is_roots_there(lab: SyncLab) -> None:
    (lab.host / "part").mkdir()
    (lab.host / "part/page").write_text("1")
    (lab.host / "noise.log").write_text("1")
    os.chown(lab.host / "part/page", 1234, 1234)
    there = lab.guest / "srv/it's new"
    with carrying(lab, lab.host, there, "*.log") as opened:
        assert opened.full().sent == 2
        (lab.host / "part/page").write_text("22")
        assert opened.push({"part/page"}).sent == 1
    assert (there / "part/page").read_text() == "22"
    assert (there / "part/page").stat().st_uid == 0
    assert not (there / "noise.log").exists()
    assert lab.leftovers() == []


@pytest.mark.parametrize("at_once", [True, False])
def test_a_folder_that_goes_leaves_what_was_not_carried(lab: SyncLab, *, at_once: bool) -> None:
    (lab.host / "conf/deep").mkdir(parents=True)
    (lab.host / "conf/ours").write_text("1")
    (lab.host / "conf/deep/ours").write_text("1")
    (lab.guest / "conf").mkdir()
    (lab.guest / "conf/theirs").write_text("of the image")
    calm()
    with carrying(lab, lab.host, lab.guest) as opened:
        opened.full()
        assert (lab.guest / "conf/deep/ours").exists()
        if at_once:
            shutil.rmtree(lab.host / "conf")
            opened.push({"conf"})
    if not at_once:
        shutil.rmtree(lab.host / "conf")
        with carrying(lab, lab.host, lab.guest) as opened:  # remembered from the session before
            opened.full()
    assert [path.relative_to(lab.guest) for path in lab.guest.rglob("*")] == [
        Path("conf"),
        Path("conf/theirs"),
    ]


def test_a_file_is_carried_under_its_targets_name_and_nothing_else_is_looked_at(lab: SyncLab) -> None:
    source = lab.host / "nginx.dev.conf"
    source.write_text("listen 80")
    (lab.host / "other").write_text("not meant")
    there = lab.guest / "etc/default.conf"
    there.parent.mkdir()
    (there.parent / "hosts").write_text("of the image")
    with carrying(lab, source, there) as opened:
        assert opened.full().sent == 1
        assert there.read_text() == "listen 80"
        (lab.host / ".new").write_text("listen 8080")
        (lab.host / ".new").rename(source)  # as editors save
        calm()
        assert opened.push({""}).sent == 1
        assert there.read_text() == "listen 8080"
        assert opened.full().sent == 0
        source.unlink()
        assert opened.push({""}).deleted == 1
    assert [path.name for path in there.parent.iterdir()] == ["hosts"]


def test_a_link_to_a_file_is_followed(lab: SyncLab) -> None:
    (lab.host / "real").write_text("content")
    (lab.host / "link").symlink_to("real")
    with carrying(lab, lab.host / "link", lab.guest / "there") as opened:
        opened.full()
    assert (lab.guest / "there").read_text() == "content"
    assert not (lab.guest / "there").is_symlink()


def test_what_is_not_there_is_an_error_and_deletes_nothing(lab: SyncLab) -> None:
    source = lab.host / "src"
    source.mkdir()
    (source / "page").write_text("1")
    calm()
    with carrying(lab, source, lab.guest) as opened:
        opened.full()
    source.rename(lab.host / "elsewhere")
    with pytest.raises(HostError, match="nothing at"), carrying(lab, source, lab.guest):
        pass
    assert (lab.guest / "page").read_text() == "1"


def test_a_new_disk_gets_everything_again(lab: SyncLab) -> None:
    (lab.host / "page").write_text("1")
    calm()
    with carrying(lab, lab.host, lab.guest) as opened:
        opened.full()
    (lab.guest / "page").unlink()
    time.sleep(0.01)
    with carrying(lab, lab.host, lab.guest) as opened:
        assert opened.full().sent == 1
    assert (lab.guest / "page").read_text() == "1"
