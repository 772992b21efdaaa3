"""Small files, one edit and a big file into a real guest: `vmm`'s mounts next to rsync, and cat, over the same SSH.

rsync and its libraries are copied into the guest first, as the image `tiny` has none. Run by hand, as root:
`VMM_TEST_STORE=… .venv/bin/python benchmarks/mount_sync.py`. Prints seconds, and ratios to rsync in the same run; for
the big file also the guest's CPU, which other load does not change.
"""

import os
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path, PurePosixPath

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "fakes"))
from lab import Lab, missing_for_guests

from vmmcompose.host.records import read_record
from vmmcompose.host.ssh import batch_argv
from vmmcompose.host.sync.session import Session
from vmmcompose.model.desired import Mount
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Record

MANIFEST = """
defaults: {image: tiny, memory: 384MiB, disk: 1GiB}
vms:
  web:
    mounts: ["./site:site"]
"""
FILES, EDITS, BIG_MIB = 1000, 20, 200


def timed(action: Callable[[], object]) -> float:
    """Seconds that it took."""
    begin = time.monotonic()
    action()
    return time.monotonic() - begin


def fill(site: Path, text: str) -> None:
    """A thousand small files in ten folders."""
    for number in range(FILES):
        folder = site / f"part {number % 10}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.txt").write_text(f"{text} {number}\n" * (number % 50))


def install_rsync(lab: Lab) -> str:
    """Copies the host's rsync into the guest; how it is called there."""
    program = shutil.which("rsync")
    if program is None:
        sys.exit("rsync is not installed")
    libraries = re.findall(
        r"(/\S+) \(0x", subprocess.run(("ldd", program), capture_output=True, text=True, check=True).stdout
    )
    lab.vmm("exec", "web", "--", "mkdir", "/opt/rsync")
    for path in (program, *libraries):
        lab.vmm("cp", str(Path(path).resolve()), f"web:/opt/rsync/{Path(path).name}")
    loader = next(Path(path).name for path in libraries if "ld-linux" in path)
    return f"/opt/rsync/{loader} --library-path /opt/rsync /opt/rsync/rsync"


def main() -> None:
    """Measures and prints."""
    if missing := missing_for_guests():
        sys.exit(missing)
    with Lab() as lab:
        site = lab.project / "site"
        site.mkdir()
        lab.write(MANIFEST)
        lab.vmm("up")
        measure(lab, site, install_rsync(lab))
        lab.vmm("down")


def measure(lab: Lab, site: Path, remote: str) -> None:
    """Both ways, one after the other, with the same files."""
    paths = Paths(PurePosixPath(lab.data))
    record = read_record(paths, "lab-web")
    assert isinstance(record, Record)
    login = batch_argv(paths, record.spec, "")[:-1]

    def rsync() -> None:
        shell = shlex.join(login[:-2])
        argv = ("rsync", "-a", "--delete", "--exclude=/lost+found", f"--rsync-path={remote}", "-e", shell)
        subprocess.run((*argv, f"{site}/", f"{record.spec.ip}:/opt/copy"), check=True)

    folders = {f"part {number}" for number in range(10)}
    mount = Mount("site", str(site), "rw", "push")
    with lab.net.inside(), Session(paths, record.spec, mount) as session:
        session.full()
        rsync()
        fill(site, "first")
        show(f"{FILES} new files", timed(lambda: session.push(folders)), timed(rsync))
        fill(site, "other")
        show(f"{FILES} changed files", timed(lambda: session.push(folders)), timed(rsync))
        show("nothing, compared as a whole", timed(session.full), timed(rsync))
        ours, theirs = [], []
        for number in range(EDITS):
            (site / "part 3/3.txt").write_text(f"edit {number}")
            ours.append(timed(lambda: session.push({"part 3/3.txt"})))
            theirs.append(timed(rsync))
        show("one edit (median)", statistics.median(ours), statistics.median(theirs))
        with (site / "big").open("wb") as file:
            for _ in range(BIG_MIB):
                file.write(os.urandom(1 << 20))
        pid = record.process.pid if record.process else 0
        spent = [guest_cpu_s(pid)]
        taken = []
        for action in (
            lambda: session.push({"big"}),
            rsync,
            lambda: cat(site / "big", [*login, "cat >/dev/null"]),
        ):
            taken.append(timed(action))
            spent.append(guest_cpu_s(pid))
        show(f"one file of {BIG_MIB} MiB", *taken[:2])
        cpu = [later - before for before, later in pairwise(spent)]
        print(
            f"  CPU of the guest: vmm {cpu[0]:.1f} s, rsync {cpu[1]:.1f} s; cat {cpu[2]:.1f} s, in {taken[2]:.1f} s"
        )


def cat(path: Path, argv: list[str]) -> None:
    """Sends a file, and does nothing with it there."""
    with path.open("rb") as file:
        subprocess.run(argv, stdin=file, check=True)


def guest_cpu_s(pid: int) -> float:
    """Seconds of CPU that a VM has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def show(what: str, ours: float, theirs: float) -> None:
    """One line."""
    print(f"{what:32} vmm {ours:7.3f} s   rsync {theirs:7.3f} s   ratio {ours / theirs:5.2f}", flush=True)


if __name__ == "__main__":
    main()
