"""An image's programs run as root and reach nothing but their own tree; nothing of them outlives the command."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from image_lab import fingerprint, plant
from lab import eventually

from vmmcompose.errors import HostError
from vmmcompose.host.files import remove_tree
from vmmcompose.images import confined

pytestmark = pytest.mark.root


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with a shell and nothing else."""
    busybox = shutil.which("busybox")
    if os.geteuid() != 0 or shutil.which("bwrap") is None or busybox is None:
        pytest.skip("root, bubblewrap or a static busybox is missing")
    folder = plant(tmp_path / "tree", {"bin": None, "etc": None})
    shutil.copy(busybox, folder / "bin/busybox")
    (folder / "bin/sh").symlink_to("busybox")
    if subprocess.run(["chroot", folder, "/bin/sh", "-c", "true"], check=False).returncode:
        pytest.skip("busybox is not static here")
    return folder


def sh(tree: Path, script: str) -> str:
    return confined.run(tree, ("/bin/sh", "-c", script), "try").decode()


def test_it_sees_its_own_tree_and_few_devices(tree: Path) -> None:
    assert sh(tree, "busybox ls /").split() == ["bin", "dev", "etc", "proc", "run", "tmp"]
    devices = set(sh(tree, "busybox ls /dev").split())
    assert {"null", "zero", "random", "urandom", "tty"} <= devices
    assert not {"vda", "sda", "mem", "kmsg", "loop-control", "kvm"} & devices
    seen = sh(tree, "echo /proc/[0-9]*").split()
    assert {"/proc/1"} <= {*seen} <= {f"/proc/{number}" for number in range(1, 5)}, "its own processes"


@pytest.mark.parametrize(
    "attack",
    [
        "busybox mknod /disk b 254 0",
        "busybox mount -t tmpfs none /etc",
        "busybox mount -o remount,rw /proc/sys",
        "echo '|/bin/sh' > /proc/sys/kernel/core_pattern",
        "echo 1 > /proc/sys/net/ipv4/ip_forward",
        "busybox chroot /proc/1/root/.. /bin/sh -c 'busybox ls /root'",
        "busybox ip link add vmm-attack type dummy",
        "busybox hostname attacked",
        f"busybox kill -0 {os.getpid()}",
        "busybox cat /dev/mem",
    ],
)  # fmt: skip
def test_it_cannot_change_the_host(tree: Path, attack: str) -> None:
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    with pytest.raises(HostError):
        sh(tree, attack)
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before


def test_a_device_node_that_came_with_the_image_does_not_work(tree: Path) -> None:
    os.mknod(tree / "null", 0o666 | 0o020000, os.makedev(1, 3))
    with pytest.raises(HostError):
        sh(tree, "echo x > /null")


def test_links_in_the_place_of_mount_points_reach_nothing(tree: Path, tmp_path: Path) -> None:
    victim = plant(tmp_path / "victim", {"file": "the host's\n"})
    before = fingerprint(victim)
    for name in ("dev", "proc", "run", "tmp"):
        (tree / name).symlink_to(victim)
    (tree / "etc/resolv.conf").symlink_to(victim / "file")
    (tree / "etc/hosts").symlink_to("../../victim/file")
    confined.lend_network(tree)
    sh(tree, "echo x > /dev/shm/x; echo x > /run/x; echo x > /tmp/x")
    assert fingerprint(victim) == before
    assert (tree / "etc/resolv.conf").read_bytes() == Path("/etc/resolv.conf").read_bytes()
    assert list((tree / "run").iterdir()) == []


def test_the_users_environment_stays_outside_but_for_proxies(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "s3cret")
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    said = sh(tree, "busybox env")
    assert "s3cret" not in said
    assert "https_proxy=http://proxy.example:3128" in said


def test_a_host_that_allows_no_namespaces_is_told(tree: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from vmmcompose.errors import HostUnfit\n"
        "from vmmcompose.images import confined\n"
        "try: confined.run(Path(sys.argv[1]), ('/bin/sh', '-c', 'true'), 'try')\n"
        "except HostUnfit as error: print(error.message, error.hint)"
    )
    argv = [
        "setpriv",
        "--bounding-set=-sys_admin",
        "--inh-caps=-sys_admin",
        sys.executable,
        "-c",
        code,
        str(tree),
    ]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert "cannot try: sh: bwrap: " in said
    assert "--init tiny" in said


def test_a_failure_names_the_program_of_the_image(tree: Path) -> None:
    with pytest.raises(HostError, match="cannot try: sh: no such mirror"):
        sh(tree, "echo no such mirror >&2; exit 100")


def test_nothing_is_left_when_vmm_is_killed(tree: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from vmmcompose.images import confined; "
        "confined.run(Path(sys.argv[1]), ('/bin/sh', '-c', "
        "'busybox setsid busybox sleep 991 & echo > /started; busybox sleep 992'), 'try')"
    )
    vmm = subprocess.Popen([sys.executable, "-c", code, str(tree)])
    try:
        eventually((tree / "started").exists, "the script runs")
        eventually(lambda: len(_sleepers()) == 2, "both processes run")
    finally:
        os.kill(vmm.pid, signal.SIGKILL)
        vmm.wait()
    eventually(lambda: not _sleepers(), "its processes are gone")
    assert str(tree) not in Path("/proc/self/mountinfo").read_text()
    remove_tree(tree)
    assert not tree.exists()


def _sleepers() -> list[str]:
    """Processes of the test above."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"sleep" in words and {b"991", b"992"} & {*words} and b"sh" not in words[0]:
            found.append(str(path))
    return found
