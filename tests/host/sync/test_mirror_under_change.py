"""A transfer meets files that change, a guest that is not as expected, and one that is full."""

import os
import shutil
import subprocess
import threading

import pytest
from sync_lab import SyncLab, calm, shown

from vmmcompose.errors import HostError, NoSpace
from vmmcompose.guest.listing import Entry
from vmmcompose.host.sync.base import Base
from vmmcompose.host.sync.tree import Tree

pytestmark = pytest.mark.root


def test_a_new_file_takes_the_place_of_the_old_whole(lab: SyncLab) -> None:
    """Whoever has the old one open goes on reading it, and nobody ever sees a part."""
    (lab.host / "page").write_text("old")
    calm()
    with lab.mirror() as mirror:
        mirror.full()
        with (lab.guest / "page").open() as reader:
            (lab.host / "page").write_text("new content")
            mirror.push({"page"})
            assert reader.read() == "old"
    assert (lab.guest / "page").read_text() == "new content"


def test_another_directory_in_the_place_of_the_old_is_the_one_that_counts(lab: SyncLab) -> None:
    (lab.host / "old").write_text("old")
    (lab.host / "page").write_text("1")
    calm()
    with lab.mirror() as mirror:
        mirror.full()
        lab.host.rename(lab.host.with_name("away"))
        with pytest.raises(HostError, match="cannot read the directory"):
            mirror.full()
        assert shown(lab.guest).keys() == {"old", "page"}
        lab.host.mkdir()
        (lab.host / "page").write_text("2")
        report = mirror.full()
        assert report.skipped == ()
        assert shown(lab.guest) == shown(lab.host)
        (lab.host / "page").write_text("3")
        mirror.push({"page"})
        assert shown(lab.guest) == shown(lab.host)


def test_many_folders_one_in_the_other(lab: SyncLab) -> None:
    way = "/".join("d" * 250)
    (lab.host / way).mkdir(parents=True)
    (lab.host / way / "file").write_text("down here")
    with lab.mirror() as mirror:
        mirror.full()
        assert (lab.guest / way / "file").read_text() == "down here"
        (lab.host / "d").rename(lab.host / "e")
        mirror.push({"d", "e"})
        assert (lab.guest / f"e{way[1:]}/file").read_text() == "down here"
        assert not (lab.guest / "d").exists()


def test_what_is_remembered_may_be_as_deep_as_a_path_can_be() -> None:
    ways = ["/".join("d" * depth) for depth in range(1, 2000)]
    base = Base({way: Entry(0o40755, 0, 0) for way in ways})
    assert list(base.below("")) == ways
    base.forget("d")
    assert list(base.below("")) == []


def test_a_change_within_the_same_clock_tick_is_not_missed(lab: SyncLab) -> None:
    page = lab.host / "page"
    page.write_text("0000")
    calm()
    with lab.mirror() as mirror:
        mirror.full()
        for number in range(200):
            page.write_text(f"{number:04}")
            mirror.push({"page"})
            assert (lab.guest / "page").read_text() == f"{number:04}"


def test_a_file_that_changes_while_it_is_sent_is_sent_again(lab: SyncLab) -> None:
    big = lab.host / "big"
    big.write_bytes(bytes(30_000_000))
    stop = threading.Event()

    def write() -> None:
        while not stop.wait(0.005):
            with big.open("r+b") as file:
                file.seek(29_999_000)
                file.write(os.urandom(100))

    with lab.mirror() as mirror:
        writer = threading.Thread(target=write)
        writer.start()
        threading.Timer(0.4, stop.set).start()
        report = mirror.full()
        writer.join()
        assert report.skipped == ()
        assert (lab.guest / "big").read_bytes() == big.read_bytes()


def test_what_never_rests_is_told_and_sent_when_it_does(
    lab: SyncLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmmcompose.host.sync.mirror._PAUSE_S", 0.001)
    log = lab.host / "log"
    log.write_bytes(bytes(5_000_000))
    (lab.host / "other").write_text("calm")
    look = Tree.as_opened

    def look_and_write(tree: Tree, descriptor: int) -> Entry:
        seen = look(tree, descriptor)
        with log.open("ab") as file:
            file.write(b"x")
        return seen

    with lab.mirror() as mirror:
        with monkeypatch.context() as restless:
            restless.setattr(Tree, "as_opened", look_and_write)
            report = mirror.full()
        assert report.skipped == ("log: it keeps changing",)
        assert sorted(shown(lab.guest)) == ["other"]
        mirror.push(())
    assert shown(lab.guest) == shown(lab.host)


def test_a_truncated_file_does_not_break_the_stream(lab: SyncLab, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        (lab.host / f"{number}").write_bytes(os.urandom(300_000))
    with lab.mirror() as mirror:
        scan = mirror._tree.scan

        def scan_then_cut(*args: object) -> object:
            found = scan()
            os.truncate(lab.host / "2", 1000)
            (lab.host / "3").unlink()
            return found

        monkeypatch.setattr(mirror._tree, "scan", scan_then_cut)
        mirror.full()
    assert shown(lab.guest) == shown(lab.host)


def test_what_the_guest_changed_is_put_right(lab: SyncLab) -> None:
    """A push that fails because the guest is not as expected becomes a whole comparison."""
    (lab.host / "d").mkdir()
    (lab.host / "d/f").write_text("1")
    calm()
    with lab.mirror() as mirror:
        mirror.full()
        shutil.rmtree(lab.guest / "d")
        (lab.guest / "d").write_text("a file of the guest's")
        (lab.host / "d/f").write_text("22")
        mirror.push({"d/f"})
        assert list(lab.guest.glob(".vmm-sync.*/*/*")) == []
    assert shown(lab.guest) == shown(lab.host)


def test_a_guest_that_is_full_gets_what_fits_and_loses_what_the_host_deleted(lab: SyncLab) -> None:
    subprocess.run(("mount", "-t", "tmpfs", "-o", "size=1m", "none", str(lab.guest)), check=True)
    try:
        (lab.host / "old").write_bytes(os.urandom(600_000))
        calm()
        with lab.mirror() as mirror:
            mirror.full()
            (lab.host / "old").unlink()
            (lab.host / "a").write_bytes(os.urandom(700_000))
            (lab.host / "b").write_bytes(os.urandom(5_000_000))
            with (lab.host / "c").open("wb") as file:
                file.truncate(1 << 40)  # so much is not even tried
            (lab.host / "d").write_text("small")
            with pytest.raises(NoSpace, match="no room for a and 2 more") as caught:
                mirror.push({"old", "a", "b", "c", "d"})
            assert "makes it as big" in caught.value.hint
            assert set(shown(lab.guest)) == {"d"}
            with pytest.raises(NoSpace, match="no room for b and 1 more"):
                mirror.full()
            assert set(shown(lab.guest)) == {"a", "d"}
            for name in "bc":
                (lab.host / name).unlink()
            mirror.full()
            assert shown(lab.guest) == shown(lab.host)
    finally:
        subprocess.run(("umount", str(lab.guest)), check=True)
