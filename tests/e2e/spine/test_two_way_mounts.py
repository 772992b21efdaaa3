"""`sync: two-way` with a real guest: what either side writes and deletes gets to the other, nothing else."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, eventually
from watching import watching

pytestmark = [pytest.mark.root, pytest.mark.guest]
MANIFEST = """
defaults: {image: tiny, memory: 128MiB, disk: 64MiB}
vms:
  web:
    mounts: [{source: ./site, tag: site, sync: two-way}]
"""
ODD = "ünïcode\nof two lines \x1b[2J"
SOON_S = 60
"""A guest is asked for its changes every 10 s."""


@pytest.fixture
def host(lab: Lab) -> Iterator[Lab]:
    site = lab.project / "site"
    (site / "d").mkdir(parents=True)
    for name in ("both", "d/of the host", "d/of the guest", "saved here", "saved there"):
        (site / name).write_text("first")
    lab.write(MANIFEST)
    lab.vmm("up")
    yield lab
    lab.vmm("down", "--allow-data-loss", code=None)


def in_guest(lab: Lab, script: str) -> str:
    return lab.vmm("exec", "web", "--", "sh", "-c", f"cd /mnt/site && {script}").stdout


def content(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_changes_of_both_sides_come_together_also_those_of_while_nobody_watched(host: Lab) -> None:
    site, pid = host.project / "site", host.pid("web")
    with watching(host) as watch:
        in_guest(host, f"printf new >'{ODD}'; mkdir made; printf in >made/file; ln -s ../both made/link")
        eventually(lambda: content(site / ODD) == "new", "a file of the guest's", SOON_S)
        eventually(lambda: content(site / "made/file") == "in", "a folder of the guest's", SOON_S)
        assert os.readlink(site / "made/link") == "../both"
        (site / "of here").write_text("mine")
        eventually(lambda: in_guest(host, "cat 'of here' 2>/dev/null || :") == "mine", "a file of the host's")
        in_guest(host, "rm 'd/of the guest'")
        (site / "d/of the host").unlink()
        eventually(lambda: not (site / "d/of the guest").exists(), "the guest's deletion", SOON_S)
        eventually(lambda: in_guest(host, "ls d") == "", "the host's deletion")
        assert not watch.named("sync-conflict")
        assert not watch.named("sync-failed")
    # Nobody watches: both sides go on, and the VM is stopped meanwhile.
    in_guest(host, "printf theirs >both; printf kept >'saved there'; rm 'saved here'; sync")
    host.vmm("stop", "web")
    (site / "both").write_text("ours")
    (site / "saved there").unlink()
    (site / "saved here").write_text("kept")
    with watching(host):
        host.vmm("start", "web")
        eventually(lambda: content(site / "both.web.vmm-conflict") == "theirs", "the conflict", SOON_S)
        assert content(site / "both") == "ours"
        eventually(lambda: in_guest(host, "cat both") == "ours", "the host's side in the guest")
        assert content(site / "saved there") == "kept", "a change wins over a deletion"
        eventually(lambda: in_guest(host, "cat 'saved here'") == "kept", "also the host's")
        assert "conflict" not in in_guest(host, "ls")
    assert host.pid("web") != pid
    assert "in step" in host.vmm("mount", "diff", "web", "site").stderr


def test_what_a_guest_makes_to_get_out_stays_there(host: Lab) -> None:
    site = host.project / "site"
    with watching(host):
        in_guest(
            host,
            "ln -s /etc/passwd out; ln -s ../../secret up; mknod disk b 8 0; mknod pipe p; "
            "printf x >suid; chmod 6755 suid; rm -rf d; ln -s / d; printf y >'z last'",
        )
        eventually(lambda: content(site / "z last") == "y", "what may come", SOON_S)
        assert stat.S_IMODE((site / "suid").stat().st_mode) == 0o755
        for name in ("out", "up", "disk", "pipe"):
            assert not os.path.lexists(site / name)
        assert not (site / "d").is_symlink()
        # A hole bigger than the disk here: nothing comes.
        in_guest(host, "truncate -s 1099511627776 huge")
        failed = host.vmm("mount", "pull", "web", "site", code=None)
        assert failed.returncode != 0
        assert "more than half of what is free" in failed.stderr
        assert not (site / "huge").exists()
        in_guest(host, "rm huge")
        (site / "later").write_text("works again")
        eventually(lambda: in_guest(host, "cat later 2>/dev/null || :") == "works again", "later", SOON_S)
    assert sorted(path.name for path in host.project.iterdir()) == ["site", "vmm.yaml"]
