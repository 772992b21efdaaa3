"""VMs without a manifest, on a real guest: create, pause, forwards by hand, copies, mounts, delete."""

import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab, missing_for_guests

pytestmark = [
    pytest.mark.root,
    pytest.mark.guest,
    pytest.mark.skipif(bool(missing_for_guests()), reason=missing_for_guests()),
]


@pytest.fixture(scope="module")
def alone() -> Iterator[Lab]:
    """A host with one single VM called `alone` that runs."""
    with Lab() as lab:
        site = lab.root / "site"
        site.mkdir()
        (site / "index.html").write_text("first\n")
        lab.vmm(
            *("create", "alone", "--image", "tiny", "--memory", "128", "--port", "8080:80"),
            *("--mount", f"{site}:site:ro", "--hostname", "solo"),
        )
        assert lab.traces()["links"] == ["lo"]
        lab.vmm("start", "alone")
        yield lab
        lab.vmm("delete", "--force", "alone")
        left = lab.traces()
        assert (left["links"], left["files"], left["processes"]) == (["lo"], [], [])


def pid(lab: Lab) -> int:
    return int(json.loads(lab.vmm("inspect", "alone").stdout)["pid"])


def test_it_runs_as_it_was_created(alone: Lab) -> None:
    assert alone.get("http://127.0.0.1:8080/") == "first\n"
    assert alone.vmm("ssh", "alone", "--", "hostname; exit 7", code=7).stdout == "solo\n"
    (row,) = json.loads(alone.vmm("list", "--json").stdout)["vms"]
    assert (row["name"], row["project"], row["state"], row["health"]) == ("alone", "", "running", "healthy")
    assert "nothing to do" in alone.vmm("start", "alone").stderr


def test_a_name_is_taken_once(alone: Lab) -> None:
    done = alone.vmm("create", "alone", "--image", "tiny", code=64)
    assert "there is a VM alone already" in done.stderr
    assert "vmm stop alone, or say --force" in alone.vmm("delete", "alone", code=1).stderr
    assert "did you mean 'alone'?" in alone.vmm("start", "alnoe", code=64).stderr


def test_forwards_come_and_go_without_a_restart(alone: Lab) -> None:
    before = pid(alone)
    alone.vmm("port-forward", "add", "alone", "127.0.0.1:9090:80", "7070:80/udp")
    assert alone.get("http://127.0.0.1:9090/") == "first\n"
    assert (
        "leads to port 80 of VM alone" in alone.vmm("port-forward", "add", "alone", "8080:81", code=64).stderr
    )
    listed = json.loads(alone.vmm("port-forward", "list", "alone", "--json").stdout)["forwards"]
    assert {row["host"]: row["added_by_hand"] for row in listed} == {8080: False, 9090: True, 7070: True}
    alone.vmm("restart", "alone")
    assert alone.get("http://127.0.0.1:9090/") == "first\n"
    after = pid(alone)
    alone.vmm("port-forward", "remove", "alone", "9090", "7070:80/udp")
    assert alone.run("curl", "-s", "-m", "5", "http://127.0.0.1:9090/", code=None).returncode == 7
    assert alone.get("http://127.0.0.1:8080/") == "first\n"
    assert pid(alone) == after != before


def test_a_paused_vm_answers_nobody_until_it_is_resumed(alone: Lab) -> None:
    alone.vmm("pause", "alone")
    assert json.loads(alone.vmm("list", "--json").stdout)["vms"][0]["state"] == "paused"
    assert alone.run("curl", "-s", "-m", "2", "http://127.0.0.1:8080/", code=None).returncode != 0
    assert "vmm resume alone" in alone.vmm("port-forward", "add", "alone", "9191:80", code=1).stderr
    assert "nothing to do" in alone.vmm("pause", "alone").stderr
    before = pid(alone)
    alone.vmm("resume", "alone")
    assert alone.get("http://127.0.0.1:8080/") == "first\n"
    assert pid(alone) == before


def test_a_paused_vm_can_be_stopped(alone: Lab) -> None:
    alone.vmm("pause", "alone")
    alone.vmm("stop", "alone")
    assert "reboot: " in alone.vmm("console", "alone").stdout  # it shut down by itself
    alone.vmm("start", "alone")


def test_copies_keep_what_files_are(alone: Lab, tmp_path: Path) -> None:
    source = tmp_path / "tree"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "odd 'name\n").write_bytes(os.urandom(300_000))
    (source / "link").symlink_to("deep/nowhere")
    (source / "run").write_text("#!/bin/sh\n")
    (source / "run").chmod(0o750)
    alone.vmm("cp", str(source), "alone:/tmp/copied")
    alone.vmm("cp", str(source), "alone:/tmp/copied")  # now a folder, so inside it
    alone.vmm("cp", f"{source}/.", "alone:/tmp/contents")
    listed = alone.vmm("exec", "alone", "--", "sh", "-c", "cd /tmp; ls copied copied/tree contents").stdout
    assert listed.count("run\n") == 3
    back = tmp_path / "back"
    alone.vmm("cp", "alone:/tmp/contents", str(back))
    assert (back / "deep" / "odd 'name\n").read_bytes() == (source / "deep" / "odd 'name\n").read_bytes()
    assert os.readlink(back / "link") == "deep/nowhere"
    assert stat.S_IMODE((back / "run").stat().st_mode) == 0o750
    alone.vmm("cp", "alone:/etc/hostname", str(tmp_path))
    assert (tmp_path / "hostname").read_text() == "solo\n"


def test_a_guest_can_only_write_where_it_was_asked_to(alone: Lab, tmp_path: Path) -> None:
    """A guest whose tar sends links out of the folder and files through them, devices, setuid and pipes."""
    archive = tmp_path / "evil.tar"
    _write_evil(archive, tmp_path / "outside")
    alone.vmm("cp", str(archive), "alone:/tmp/evil.tar")
    tar = "#!/bin/sh\nexec /bin/busybox cat /tmp/evil.tar\n"
    (tmp_path / "tar").write_text(tar)
    (tmp_path / "tar").chmod(0o755)
    alone.vmm("exec", "alone", "--", "mkdir", "-p", "/tmp/evil")
    find = "for d in /bin /sbin /usr/bin /usr/sbin; do [ -e $d/tar ] && echo $d/tar && exit; done"
    where = alone.vmm("exec", "alone", "--", "sh", "-c", find).stdout.strip()
    alone.vmm("cp", str(tmp_path / "tar"), "alone:/tmp/tar")
    alone.vmm("exec", "alone", "--", "sh", "-c", f"mv {where} /tmp/real && cp /tmp/tar {where}")
    target = tmp_path / "taken"
    target.mkdir()
    try:
        alone.vmm("cp", "alone:/tmp/evil", str(target), code=None)
    finally:
        alone.vmm("exec", "alone", "--", "sh", "-c", f"mv /tmp/real {where}")
    assert not (tmp_path / "outside").exists()
    for path in tmp_path.rglob("*"):
        mode = path.lstat().st_mode
        assert stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode), path
        assert not mode & stat.S_ISUID or not stat.S_ISREG(mode), path
    assert not list(tmp_path.glob("**/.vmm-cp.*"))


def test_mounts_are_listed_and_renewed(alone: Lab) -> None:
    (alone.root / "site" / "index.html").write_text("second\n")
    assert "the directory has changed since" in alone.vmm("mount", "list", "alone").stdout
    assert "has no mount 'nope'" in alone.vmm("mount", "sync", "alone", "nope", code=64).stderr
    before = pid(alone)
    alone.vmm("mount", "sync", "alone", "site")
    assert alone.get("http://127.0.0.1:8080/") == "second\n"
    assert pid(alone) == before
    (alone.root / "site" / "index.html").write_text("third\n")
    alone.vmm("mount", "sync", "alone", "site", "--restart")
    assert alone.get("http://127.0.0.1:8080/") == "third\n"
    assert pid(alone) != before
    (row,) = json.loads(alone.vmm("mount", "list", "alone", "--json").stdout)["mounts"]
    assert (row["tag"], row["target"], row["content"]) == ("site", "/mnt/site", "as the directory")


def test_a_port_somebody_listens_on_is_refused(alone: Lab) -> None:
    with alone.net.inside():
        listener = socket.create_server(("127.0.0.1", 9292))
    with listener:
        assert "9292" in alone.vmm("port-forward", "add", "alone", "9292:80", code=1).stderr
    assert "9292" not in alone.vmm("port-forward", "list", "alone").stdout


def _write_evil(archive: Path, outside: Path) -> None:
    import io
    import tarfile

    with tarfile.open(archive, "w") as tar:
        entry = tarfile.TarInfo("evil")
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(entry)
        for name, kind, target in (
            ("evil/out", tarfile.SYMTYPE, str(outside)),
            ("evil/up", tarfile.SYMTYPE, "../../../.."),
            ("evil/hard", tarfile.LNKTYPE, "/etc/passwd"),
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, target
            tar.addfile(entry)
        for name in ("evil/out", "evil/up/tmp/vmm-evil", "../vmm-evil", str(outside)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = 4, 0o4755
            tar.addfile(entry, io.BytesIO(b"evil"))
        for name, kind in (("evil/null", tarfile.CHRTYPE), ("evil/pipe", tarfile.FIFOTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.devmajor, entry.devminor = kind, 1, 3
            tar.addfile(entry)
