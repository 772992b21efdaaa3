"""The guest's changes come to the host, and nothing that was changed here is lost to them."""

import os
import shutil
from pathlib import Path

import pytest
from sync_lab import SyncLab, calm, shown

from vmmcompose.errors import HostError
from vmmcompose.model.mountsync import Difference

pytestmark = pytest.mark.root
LATER = 2_000_000_000


def write(path: Path, text: str) -> None:
    """As by hand, seconds after whatever was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (LATER, LATER))
    calm()


def in_step(lab: SyncLab) -> None:
    for name in ("a", "b", "d/c", "d/e", "gone/f"):
        write(lab.host / name, name)
        os.utime(lab.host / name, (1_000_000_000, 1_000_000_000))
    calm()
    with lab.mirror() as mirror:
        mirror.full()


def test_what_the_guest_changed_is_told_and_fetched(lab: SyncLab) -> None:
    in_step(lab)
    write(lab.guest / "a", "changed there")
    write(lab.guest / "new/deep/file\nname", "new")
    (lab.guest / "new/l").symlink_to("deep")
    shutil.rmtree(lab.guest / "gone")
    (lab.guest / "d/c").chmod(0o755)
    with lab.mirror() as mirror:
        assert mirror.diff() == (
            Difference("a", "", "changed"),
            Difference("d/c", "", "changed"),
            Difference("gone", "", "deleted"),
            Difference("gone/f", "", "deleted"),
            Difference("new", "", "added"),
            Difference("new/deep", "", "added"),
            Difference("new/deep/file\nname", "", "added"),
            Difference("new/l", "", "added"),
        )
        report = mirror.pull(force=False)
        assert (report.fetched, report.deleted, report.conflicts, report.skipped) == (6, 2, (), ())
        assert mirror.diff() == ()
    assert shown(lab.host) == shown(lab.guest)
    assert lab.leftovers() == []


def test_nothing_that_the_host_changed_is_overwritten_unless_asked(lab: SyncLab) -> None:
    in_step(lab)
    write(lab.host / "a", "of the host's")
    write(lab.guest / "a", "of the guest's")
    write(lab.host / "d/c", "still needed")
    (lab.guest / "d/c").unlink()
    write(lab.host / "only here", "1")
    with lab.mirror() as mirror:
        report = mirror.pull(force=False)
        assert report.conflicts == ("a", "d/c")
        assert (report.fetched, report.deleted) == (0, 0)
        assert (lab.host / "a").read_text() == "of the host's"
        report = mirror.pull(force=True)
        assert report.conflicts == ()
    assert (lab.host / "a").read_text() == "of the guest's"
    assert not (lab.host / "d/c").exists()
    assert (lab.host / "only here").exists()


def test_two_ways_bring_both_sides_together_and_keep_conflicts_aside(lab: SyncLab) -> None:
    in_step(lab)
    write(lab.host / "a", "of the host's")
    write(lab.guest / "a", "of the guest's")
    write(lab.guest / "b", "changed there")
    write(lab.host / "d/c", "changed here")
    (lab.guest / "d/e").unlink()
    write(lab.guest / "gone/f", "saved")
    shutil.rmtree(lab.host / "gone")
    with lab.mirror(two_way=True) as mirror:
        report = mirror.full()
        assert report.conflicts == ("a",)
        assert mirror.diff() == ()
        calm()
        assert mirror.full().sent == 0
    aside = lab.host / "a.web.vmm-conflict"
    assert aside.read_text() == "of the guest's"
    assert (lab.guest / "a").read_text() == (lab.host / "a").read_text() == "of the host's"
    assert (lab.host / "b").read_text() == "changed there"
    assert (lab.guest / "d/c").read_text() == "changed here"
    assert not (lab.host / "d/e").exists()
    assert (lab.host / "gone/f").read_text() == "saved", "a change wins over a deletion"
    assert not (lab.guest / aside.name).exists()


def test_a_push_in_two_ways_does_not_run_over_the_guest(lab: SyncLab) -> None:
    in_step(lab)
    with lab.mirror(two_way=True) as mirror:
        mirror.full()
        write(lab.host / "a", "of the host's")
        write(lab.guest / "a", "of the guest's")
        write(lab.guest / "d/e", "kept by the guest")
        (lab.host / "d/e").unlink()
        write(lab.host / "b", "plain")
        report = mirror.push({"a", "b", "d/e"})
        assert report.conflicts == ("a",)
        assert (lab.host / "a.web.vmm-conflict").read_text() == "of the guest's"
        assert (lab.host / "d/e").read_text() == "kept by the guest"
        assert (lab.guest / "b").read_text() == "plain"
        shutil.rmtree(lab.host / "d")
        write(lab.guest / "d/unseen", "only there yet")
        mirror.push({"d"})
        assert sorted(os.listdir(lab.guest / "d")) == ["unseen"]


def test_the_guests_side_of_a_conflict_has_a_name_of_any_length(lab: SyncLab) -> None:
    for side in (lab.host, lab.guest):
        write(side / ("n" * 255), side.name)
    with lab.mirror(two_way=True) as mirror:
        assert mirror.full().conflicts == ("n" * 255,)
    (kept,) = lab.host.glob("*.vmm-conflict")
    assert kept.read_text() == "guest"


def test_a_folder_that_the_guest_deleted_comes_back_for_what_the_host_changed_in_it(lab: SyncLab) -> None:
    in_step(lab)
    write(lab.host / "d/c", "changed here")
    shutil.rmtree(lab.guest / "d")
    with lab.mirror(two_way=True) as mirror:
        mirror.full()
        assert mirror.diff() == ()
        write(lab.host / "d/c", "and again")
        shutil.rmtree(lab.guest / "d")
        mirror.push({"d/c"})
    assert os.listdir(lab.host / "d") == os.listdir(lab.guest / "d") == ["c"]
    assert (lab.guest / "d/c").read_text() == "and again"


def test_what_the_guest_has_where_the_host_has_something_else_is_kept_aside(lab: SyncLab) -> None:
    in_step(lab)
    with lab.mirror(two_way=True) as mirror:
        mirror.full()
        for name in ("a", "b"):
            (lab.guest / name).unlink()
            write(lab.host / name, "of the host's")
        write(lab.guest / "a/deep/mine", "of the guest's")
        (lab.guest / "b").symlink_to("elsewhere")
        write(lab.guest / "d/c", "of the guest's too")
        shutil.rmtree(lab.host / "d")
        write(lab.host / "d", "no folder any more")
        assert mirror.full().conflicts == ("a", "b", "d")
        assert mirror.diff() == ()
    for name in ("a", "b", "d"):
        assert (lab.guest / name).read_text() == (lab.host / name).read_text()
    assert (lab.host / "a.web.vmm-conflict/deep/mine").read_text() == "of the guest's"
    assert os.readlink(lab.host / "b.web.vmm-conflict") == "elsewhere"
    assert (lab.host / "d.web.vmm-conflict/c").read_text() == "of the guest's too"
    assert sorted(os.listdir(lab.host / "d.web.vmm-conflict")) == ["c"]


def test_an_empty_guest_deletes_nothing_here(lab: SyncLab) -> None:
    """As it would look if the mount were not mounted."""
    in_step(lab)
    shutil.rmtree(lab.guest)
    lab.guest.mkdir()
    with lab.mirror() as mirror, pytest.raises(HostError, match="empty in the guest"):
        mirror.pull(force=True)
    assert (lab.host / "gone/f").exists()


def test_what_comes_belongs_to_the_directorys_owner(lab: SyncLab) -> None:
    os.chown(lab.host, 1000, 1001)
    in_step(lab)
    os.chown(lab.host / "b", 7, 8)
    write(lab.guest / "b", "new")
    write(lab.guest / "n/m", "new")
    os.chown(lab.guest / "n/m", 99, 99)
    with lab.mirror() as mirror:
        mirror.pull(force=True)
    for path, owner in (("n", (1000, 1001)), ("n/m", (1000, 1001)), ("b", (7, 8))):
        status = (lab.host / path).stat()
        assert (status.st_uid, status.st_gid) == owner


def test_big_sparse_and_linked_files_come_as_they_are(lab: SyncLab) -> None:
    in_step(lab)
    with (lab.guest / "sparse").open("wb") as file:
        file.write(b"begin")
        file.truncate(50_000_000)
    (lab.guest / "big").write_bytes(os.urandom(3_000_000))
    (lab.guest / "one").write_text("twice")
    os.link(lab.guest / "one", lab.guest / "two")
    (lab.guest / ("long" * 50)).write_text("name")
    with lab.mirror() as mirror:
        assert mirror.pull(force=False).skipped == ()
    assert shown(lab.host) == shown(lab.guest)
    assert (lab.host / "sparse").stat().st_blocks * 512 < 5_000_000


def test_a_file_that_shrinks_while_it_is_fetched_is_told(
    lab: SyncLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmmcompose.host.sync.channel._STALL_S", 0.3)
    in_step(lab)
    for name in ("x", "y"):
        (lab.guest / name).write_bytes(os.urandom(20_000_000))
    with lab.mirror() as mirror:
        ask = mirror._channel.tell

        def tell(text: str) -> None:
            ask(text)
            if text.startswith("tar"):
                os.truncate(lab.guest / "x", 1_000_000)

        monkeypatch.setattr(mirror._channel, "tell", tell)
        mirror.pull(force=False)
        monkeypatch.setattr(mirror._channel, "tell", ask)
        mirror.pull(force=False)
        assert mirror.diff() == ()
    assert shown(lab.host) == shown(lab.guest)


def test_what_a_push_overwrites_of_the_guests_own_is_told(lab: SyncLab) -> None:
    in_step(lab)
    write(lab.guest / "a", "of the guest's")
    write(lab.guest / "b", "changed on both sides")
    write(lab.guest / "d/e", "deleted here")
    write(lab.host / "b", "the host's")
    write(lab.host / "d/c", "changed here alone")
    (lab.host / "d/e").unlink()
    (lab.guest / "gone/f").unlink()
    write(lab.guest / "own", "nobody's but the guest's")
    (lab.guest / "d/c").chmod(0o600)
    with lab.mirror() as mirror:
        report = mirror.full()
        assert report.overwritten == ("a", "b", "d/c", "d/e")
        calm()
        assert mirror.full().overwritten == ()
        write(lab.host / "b", "the host's again")
        assert mirror.push({"b"}).overwritten == ()
    assert (lab.guest / "own").exists()
    assert (lab.host / "a").read_text() == (lab.guest / "a").read_text() == "a"
