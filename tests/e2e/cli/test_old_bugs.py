"""What went wrong under baremetalvmm and no other test looks at: see docs/from-baremetalvmm.md."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, eventually, missing_for_guests

pytestmark = [
    pytest.mark.root,
    pytest.mark.guest,
    pytest.mark.skipif(bool(missing_for_guests()), reason=missing_for_guests()),
]


@pytest.fixture(scope="module")
def alone() -> Iterator[Lab]:
    """A host with one VM that has a writable mount and runs."""
    with Lab() as lab:
        (lab.root / "code").mkdir()
        (lab.root / "code" / "hosts").write_text("from the host\n")
        lab.vmm(
            "create", "alone", "--image", "tiny", "--memory", "128", "--mount", f"{lab.root}/code:code:rw"
        )
        lab.vmm("start", "alone")
        yield lab


def test_one_tag_is_one_mount(alone: Lab) -> None:
    twice = ("--mount", f"{alone.root}/code:code", "--mount", f"{alone.root}:code:ro")
    done = alone.vmm("create", "other", "--image", "tiny", *twice, code=64)
    assert "--mount has the tag code twice" in done.stderr
    assert "other" not in alone.vmm("list").stdout


def test_what_a_guest_wrote_to_a_mount_outlives_restarts_and_comes_back(alone: Lab, tmp_path: Path) -> None:
    alone.vmm(
        "exec", "alone", "--", "sh", "-c", "echo mine > /mnt/code/guests; echo changed > /mnt/code/hosts"
    )
    (alone.root / "code" / "hosts").write_text("changed on the host meanwhile\n")
    alone.vmm("stop", "alone")
    alone.vmm("start", "alone")
    said = alone.vmm("exec", "alone", "--", "cat", "/mnt/code/guests", "/mnt/code/hosts").stdout
    assert said == "mine\nchanged\n"
    alone.vmm("cp", "alone:/mnt/code/.", str(tmp_path / "back"))
    assert (tmp_path / "back" / "guests").read_text() == "mine\n"
    assert "say --restart" in alone.vmm("mount", "sync", "alone", "code", code=1).stderr
    refused = alone.vmm("mount", "sync", "alone", "code", "--restart", code=None)
    assert refused.returncode != 0
    assert "--allow-data-loss" in refused.stderr
    assert alone.vmm("exec", "alone", "--", "cat", "/mnt/code/guests").stdout == "mine\n"


def test_a_console_may_be_emptied_while_the_guest_runs(alone: Lab) -> None:
    console = alone.data / "logs" / "alone" / "console.log"
    alone.vmm("exec", "alone", "--", "sh", "-c", "yes flood | head -c 300000 > /dev/ttyS0")
    eventually(lambda: console.stat().st_size > 300_000, "the flood is in the log")
    console.write_bytes(b"")
    alone.vmm("exec", "alone", "--", "sh", "-c", "echo after > /dev/ttyS0")
    eventually(lambda: b"after" in console.read_bytes(), "the guest's next words")
    assert console.stat().st_size < 300_000, "the log goes on from its beginning"
    assert b"\0" not in console.read_bytes()


def test_a_guest_that_takes_its_time_is_not_killed_while_it_shuts_down(alone: Lab) -> None:
    """Longer than the eight seconds after which baremetalvmm had killed it."""
    slow = "sed -i '2i sleep 9; echo done > /finished; sync' /etc/init.d/stop"
    alone.vmm("exec", "alone", "--", "sh", "-c", slow)
    alone.vmm("stop", "alone")
    assert "reboot: " in alone.vmm("console", "alone").stdout, "it ended by itself"
    disk = str(alone.data / "vms" / "alone" / "root.ext4")
    assert alone.run("debugfs", "-R", "cat /finished", disk).stdout == "done\n"
