"""Keys: made once, by whoever comes first, and the same for everybody."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import pytest

from vmmcompose.errors import HostError
from vmmcompose.host.keys import host_key, managed_key
from vmmcompose.model.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(PurePosixPath(tmp_path / "data"))


def fingerprint(key: PurePosixPath | Path) -> str:
    return subprocess.run(
        ["ssh-keygen", "-l", "-f", str(key)], capture_output=True, text=True, check=True
    ).stdout


def mode(path: PurePosixPath) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def test_the_managed_key_is_made_once(paths: Paths) -> None:
    line = managed_key(paths)
    assert managed_key(paths) == line
    private = paths.managed_key()
    shown = subprocess.run(
        ["ssh-keygen", "-y", "-f", str(private)], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == line
    assert Path(f"{private}.pub").read_text() == f"{line}\n"
    assert mode(private) == 0o600
    assert mode(paths.ssh_dir()) == 0o711
    assert sorted(os.listdir(paths.ssh_dir())) == ["id_ed25519", "id_ed25519.pub"]


def test_a_lost_public_half_comes_back(paths: Paths) -> None:
    line = managed_key(paths)
    Path(f"{paths.managed_key()}.pub").write_text("something else")
    assert managed_key(paths) == line
    assert (
        fingerprint(paths.managed_key()).split()[1]
        == fingerprint(Path(f"{paths.managed_key()}.pub")).split()[1]
    )


@pytest.mark.parametrize(
    "content", [b"", b"junk", b"-----BEGIN X-----\nb3BlbnNzaC1rZXktdjEA\n", b"\xff" * 50]
)
def test_a_damaged_key_is_an_error(paths: Paths, content: bytes) -> None:
    managed_key(paths)
    Path(paths.managed_key()).write_bytes(content)
    with pytest.raises(HostError, match="damaged") as caught:
        managed_key(paths)
    assert "delete" in caught.value.hint


RACE = """
import sys
from pathlib import PurePosixPath
from vmmcompose.host.keys import host_key, managed_key
from vmmcompose.model.paths import Paths
paths = Paths(PurePosixPath(sys.argv[1]))
print(managed_key(paths), host_key(paths, "shop-web")[1])
"""


def test_processes_that_race_agree(paths: Paths) -> None:
    argv = [sys.executable, "-c", RACE, str(paths.root)]
    running = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = {process.communicate()[0] for process in running}
    assert all(process.returncode == 0 for process in running)
    assert len(said) == 1
    assert managed_key(paths) in said.pop()
    assert not [name for name in os.listdir(paths.ssh_dir()) if ".tmp." in name]


def test_threads_that_race_agree(paths: Paths) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: managed_key(paths), range(16)))) == 1
    assert sorted(os.listdir(paths.ssh_dir())) == ["id_ed25519", "id_ed25519.pub"]


def test_each_vm_has_its_own_host_key_and_known_hosts(paths: Paths) -> None:
    private, line = host_key(paths, "shop-web")
    other = host_key(paths, "shop-db")
    assert (private, line) == host_key(paths, "shop-web")
    assert private != other[0]
    assert private.startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----\n")
    assert line.endswith(" shop-web")
    known = Path(paths.known_hosts("shop-web"))
    found = subprocess.run(
        ["ssh-keygen", "-F", "shop-web", "-f", str(known)], capture_output=True, text=True, check=True
    )
    assert line.split()[1] in found.stdout
    assert mode(paths.host_key("shop-web")) == 0o600
    known.write_text("stale")
    host_key(paths, "shop-web")
    assert line.split()[1] in known.read_text()
