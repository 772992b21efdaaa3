"""The ssh command line: what it says, and real logins into a real server."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from guest_spec import SPEC

from vmmcompose.host.keys import managed_key
from vmmcompose.host.ssh import Login, remote_line, ssh_argv
from vmmcompose.model.paths import Paths

ODD = [
    "sh",
    "-c",
    'printf "%s|" "$@"',
    "-x",
    "a b",
    "",
    "it's",
    '"q"',
    "$HOME",
    "*",
    "a\nb",
    "\\",
    "--",
    "-v",
    "é",
]


def test_a_managed_key_that_cannot_be_read_is_not_named(tmp_path: Path) -> None:
    """As for a user who is not root; ssh would complain about it at every login."""
    argv = ssh_argv(Paths(PurePosixPath(tmp_path)), SPEC, None, login=Login(identities=("/home/ada/key",)))
    assert [word for word in argv if word.startswith("IdentityFile=")] == ['IdentityFile="/home/ada/key"']


def test_what_ssh_makes_of_it(tmp_path: Path) -> None:
    """Asked with `ssh -G`, against a user's configuration that would spoil everything."""
    paths = Paths(PurePosixPath(tmp_path / "a b%d"))
    config = tmp_path / "config"
    config.write_text(
        "Host *\n ProxyJump bastion\n User nobody\n Port 2222\n StrictHostKeyChecking no\n RemoteCommand date\n"
        "UserKnownHostsFile /tmp/x\n ControlMaster auto\n ControlPath /tmp/y\n HostKeyAlias z\n"
    )
    managed_key(paths)
    argv = ssh_argv(paths, SPEC, None, login=Login(identities=("/home/ada/my %h key",)))
    shown = subprocess.run(
        ["ssh", "-G", "-F", str(config), *argv[1:]], capture_output=True, text=True, check=True
    ).stdout
    said = dict(line.split(" ", 1) for line in shown.splitlines() if " " in line)
    assert said["user"] == "root"
    assert said["port"] == "22"
    assert said["hostname"] == SPEC.ip
    assert said["hostkeyalias"] == SPEC.name
    assert said["stricthostkeychecking"] == "true"
    keys = [
        line.split(" ", 1)[1].strip('"') for line in shown.splitlines() if line.startswith("identityfile ")
    ]
    assert keys == [str(paths.managed_key()).replace("%", "%%"), "/home/ada/my %%h key"]
    assert str(paths.known_hosts(SPEC.name)) in said["userknownhostsfile"].replace("%%", "%")
    assert said["identitiesonly"] == "yes"
    assert "proxyjump" not in said
    assert said.get("controlpath", "none") == "none"
    assert said.get("remotecommand", "none") == "none"


def test_terminal_and_batch(tmp_path: Path) -> None:
    paths = Paths(PurePosixPath(tmp_path))
    assert "-t" in ssh_argv(paths, SPEC, ["top"], tty=True)
    assert "-T" in ssh_argv(paths, SPEC, ["top"], tty=False)
    assert not {"-t", "-T"} & set(ssh_argv(paths, SPEC, ["top"]))
    batch = ssh_argv(paths, SPEC, ["true"], batch=True, login=Login("admin"))
    assert batch[batch.index("-F") + 1] == "none"
    assert "BatchMode=yes" in batch
    assert batch[-4:] == ["admin", "--", SPEC.ip, "true"]


def test_the_remote_shell_gives_the_same_words() -> None:
    for spec in (SPEC, replace(SPEC, env=(("A", "b"),))):
        result = subprocess.run(["sh", "-c", remote_line(spec, ODD)], capture_output=True, check=True)
        assert result.stdout.decode() == "".join(f"{word}|" for word in ODD[4:])


LOGIN = """
import json, subprocess, sys
from dataclasses import replace
from pathlib import Path, PurePosixPath
sys.path.insert(0, sys.argv[2])
from guest_spec import SPEC
from vmmcompose.errors import HostError
from vmmcompose.host.keys import host_key, managed_key
from vmmcompose.host.ssh import run_in_guest, ssh_argv
from vmmcompose.model.paths import Paths
paths = Paths(PurePosixPath(sys.argv[1]))
spec = replace(SPEC, ip="127.0.0.1", name="shop-web")
words = json.loads(sys.argv[3])
ran = run_in_guest(paths, spec, "cat; echo error >&2; exit 42", stdin=b"in", timeout_s=20)
argv = ssh_argv(paths, spec, words, batch=True)
echoed = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL)
def failure(spec, command="true", timeout_s=5):
    try:
        run_in_guest(paths, spec, command, timeout_s=timeout_s)
    except HostError as error:
        return error.message
known = Path(paths.known_hosts("shop-web"))
slow = failure(spec, "sleep 30", 1)
closed = failure(replace(spec, ip="127.0.0.2"))
host_key(paths, "shop-other")
known.write_text(Path(paths.known_hosts("shop-other")).read_text().replace("shop-other", "shop-web"))
said = [answer.decode() for answer in (ran.stdout, ran.stderr, echoed.stdout)]
print(json.dumps([ran.returncode, *said, slow, closed, failure(spec)]))
"""

SERVER = """
ip link set lo up && mount --bind "$1/passwd" /etc/passwd || exit 3
dropbear -r "$1/dropbear" -F -s -p 127.0.0.1:22 -P "$1/pid" 2>"$1/log" & server=$!
sleep 1
"$2" -c "$3" "$1/data" "$4" "$5"; code=$?
kill $server
exit $code
"""


@pytest.mark.root
def test_real_logins(tmp_path: Path) -> None:
    """In a network and mount namespace of their own, where root's home is a folder of the test's."""
    for tool in ("dropbear", "dropbearconvert", "unshare", "ip"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is missing")
    from vmmcompose.host.keys import host_key, managed_key

    tmp_path.chmod(0o755)
    paths = Paths(PurePosixPath(tmp_path / "data"))
    (tmp_path / "passwd").write_text(f"root:x:0:0:root:{tmp_path}/home:/bin/sh\n")
    keys = tmp_path / "home/.ssh"
    keys.mkdir(parents=True, mode=0o700)
    (keys / "authorized_keys").write_text(managed_key(paths) + "\n")
    (keys / "authorized_keys").chmod(0o600)
    host_key(paths, "shop-web")
    convert = [
        "dropbearconvert",
        "openssh",
        "dropbear",
        str(paths.host_key("shop-web")),
        str(tmp_path / "dropbear"),
    ]
    subprocess.run(convert, capture_output=True, check=True)
    fakes = Path(__file__).parents[2] / "fakes"
    argv = ["unshare", "-n", "-m", "sh", "-c", SERVER, "sh", str(tmp_path), sys.executable, LOGIN, str(fakes)]
    process = subprocess.run([*argv, json.dumps(ODD)], capture_output=True, text=True, check=False)
    if process.returncode == 3 or "unshare failed" in process.stderr:
        pytest.skip("private namespaces are missing")
    log = (tmp_path / "log").read_text()
    assert process.returncode == 0, process.stderr + log
    code, output, complaints, echoed, slow, closed, wrong = json.loads(process.stdout)
    assert (code, output) == (42, "in")
    assert "error" in complaints
    assert echoed == "".join(f"{word}|" for word in ODD[4:])
    assert "web" in slow
    assert "longer than 1 s" in slow
    assert "VM web: no SSH connection to 127.0.0.2" in closed
    assert "verification failed" in wrong
