"""The invoking user's keys: found through sudo, and never through a link to what only root may read."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sudo_user import UID, SudoUser

from vmmcompose.errors import UsageError
from vmmcompose.host.userkeys import user_identities, user_public_keys

PROGRAM = """
import json, os
from vmmcompose.host.userkeys import user_identities, user_public_keys
path = os.environ.get("KEY", "")
print(json.dumps([user_public_keys(os.environ, path), user_identities(os.environ, path), os.geteuid(), os.getgroups()]))
"""


@pytest.fixture
def ada() -> Iterator[SudoUser]:
    with SudoUser() as user:
        yield user


def make_key(path: Path, comment: str = "by-hand") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)], check=True
    )
    return Path(f"{path}.pub").read_text().strip()


def give(ada: SudoUser, name: str) -> str:
    """A key pair of the user's."""
    line = make_key(ada.home / ".ssh" / name, name)
    for path in (ada.home / ".ssh", *(ada.home / ".ssh").iterdir()):
        os.chown(path, UID, UID)
    return line


def test_the_usual_keys_of_an_ordinary_user(tmp_path: Path) -> None:
    line = make_key(tmp_path / ".ssh" / "id_ed25519")
    env = {"HOME": str(tmp_path)}
    assert user_public_keys(env) == (line,)
    assert user_identities(env) == (f"{tmp_path}/.ssh/id_ed25519",)
    assert user_public_keys({"HOME": str(tmp_path / "none")}) == ()


def test_a_named_key_replaces_the_usual_ones(tmp_path: Path) -> None:
    make_key(tmp_path / ".ssh" / "id_ed25519")
    work = make_key(tmp_path / "work")
    env = {"HOME": str(tmp_path)}
    for named in (f"{tmp_path}/work.pub", f"{tmp_path}/work"):
        assert user_public_keys(env, named) == (work,)
        assert user_identities(env, named) == (f"{tmp_path}/work", f"{tmp_path}/.ssh/id_ed25519")


def test_a_key_that_only_an_agent_has(tmp_path: Path) -> None:
    make_key(tmp_path / ".ssh" / "id_ed25519")
    (tmp_path / ".ssh" / "id_ed25519").unlink()
    assert user_identities({"HOME": str(tmp_path)}) == ()
    agent = {"HOME": str(tmp_path), "SSH_AUTH_SOCK": "/run/agent"}
    assert user_identities(agent) == (f"{tmp_path}/.ssh/id_ed25519.pub",)


@pytest.mark.parametrize(
    "content", ["", "hello\n", "ssh-ed25519 !!!\n", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAA x\n"]
)
def test_a_named_file_without_a_key_is_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "k.pub"
    path.write_text(content)
    with pytest.raises(UsageError, match="holds no public key"):
        user_public_keys({"HOME": "/"}, str(path))
    path.unlink()
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        user_public_keys({"HOME": "/"}, str(path))


def test_a_pipe_in_a_keys_place_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    os.mkfifo(tmp_path / ".ssh" / "id_ed25519.pub")
    os.mkfifo(tmp_path / ".ssh" / "id_ed25519")
    env = {"HOME": str(tmp_path)}
    assert (user_public_keys(env), user_identities(env)) == ((), ())


@pytest.mark.root
def test_under_sudo_they_are_those_of_the_invoking_user(ada: SudoUser) -> None:
    line = give(ada, "id_ed25519")
    public, identities, euid, groups = json.loads(ada.python(PROGRAM))
    assert public == [line]
    assert identities == [f"{ada.home}/.ssh/id_ed25519"]
    assert (euid, groups) == (0, os.getgroups()), "root's rights are back"


@pytest.mark.root
def test_a_planted_link_does_not_lead_root_to_roots_files(ada: SudoUser) -> None:
    secret = make_key(ada.root / "root-only" / "id", "of-root")
    (ada.root / "root-only").chmod(0o700)
    ssh = ada.home / ".ssh"
    ssh.mkdir()
    (ssh / "id_rsa.pub").symlink_to(ada.root / "root-only" / "id.pub")
    (ssh / "id_rsa").symlink_to(ada.root / "root-only" / "id")
    os.chown(ssh, UID, UID)
    public, identities, *_ = json.loads(ada.python(PROGRAM))
    assert (public, identities) == ([], [])
    done = ada.run("sh", "-c", f"cat {ssh}/id_rsa.pub")
    assert secret in done.stdout, "root itself could have read it"


@pytest.mark.root
def test_a_named_key_that_only_root_may_read_is_refused(ada: SudoUser) -> None:
    make_key(ada.root / "root-only" / "id")
    (ada.root / "root-only").chmod(0o700)
    done = ada.run(sys.executable, "-c", PROGRAM, env={"KEY": str(ada.root / "root-only" / "id.pub")})
    assert done.returncode != 0
    assert "cannot be read: Permission denied" in done.stderr
