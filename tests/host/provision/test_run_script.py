"""Scripts run over real SSH connections: to dropbear, and to OpenSSH's server, where they are installed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from vmmcompose.host.keys import host_key, managed_key
from vmmcompose.model.paths import Paths

pytestmark = pytest.mark.root

CLIENT = """
import json, subprocess, sys, time
from dataclasses import replace
from pathlib import PurePosixPath
sys.path.insert(0, sys.argv[2])
from guest_spec import SPEC
from vmmcompose.errors import Interrupted, VmmError
from vmmcompose.host.process import identify
from vmmcompose.host.provision import run_script
from vmmcompose.model.paths import Paths

paths = Paths(PurePosixPath(sys.argv[1]))
spec = replace(SPEC, ip="127.0.0.1", name="shop-web")

def run(script, after=lambda: None):
    vmm = subprocess.Popen(["sleep", "600"])
    lines = []
    def check():
        if lines:
            after(vmm)
    begin = time.monotonic()
    try:
        vm = identify(vmm.pid)
        end = run_script(paths, spec, vm, script, on_line=lambda l: lines.append(l.decode()), check=check)
    except VmmError as error:
        end = error.message
    vmm.kill()
    vmm.wait()
    return lines, end, time.monotonic() - begin

def interrupt(_vmm):
    raise Interrupted("interrupted")

def sleeps(seconds):
    return subprocess.run(["pgrep", "-fx", f"sleep {seconds}"], capture_output=True).returncode == 0

print(json.dumps({
    "plain": run("#!/bin/sh -e\\necho one; echo; printf 'two\\\\rthree' >&2\\nexit 7\\n", lambda vmm: None),
    "large": run(": x\\n" * 200_000 + "echo end\\n", lambda vmm: None),
    "daemon": run("sleep 5556 & echo up", lambda vmm: None),
    "cut": run("echo begun; sleep 5557", interrupt),
    "cut_gone": not sleeps(5557),
    "vmm": run("echo begun; sleep 5558", lambda vmm: vmm.kill()),
    "vmm_gone": not sleeps(5558),
    "lost": run("echo begun; kill -9 $(ps -o ppid= $(ps -o ppid= $PPID)); sleep 5559", lambda vmm: None),
}))
subprocess.run(["pkill", "-fx", "sleep 555[0-9]"])
"""

RUN = """
ip link set lo up && mount --bind "$1/passwd" /etc/passwd && mount -t tmpfs t /run && mkdir /run/sshd || exit 3
eval "$2" & server=$!
sleep 1
"$3" -c "$4" "$1/data" "$5"; code=$?
kill $server
exit $code
"""

SERVERS = {
    "dropbear": 'dropbear -r "$1/dropbear" -F -s -p 127.0.0.1:22 -P "$1/pid" 2>"$1/log"',
    "sshd": '"$(command -v sshd)" -D -e -f "$1/sshd_config" 2>"$1/log"',
}


@pytest.fixture(params=SERVERS)
def answers(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """What came of the client's scripts, in namespaces of their own, where root's home is a folder of the test's."""
    name: str = request.param
    for tool in ("ip", "unshare", "pgrep", *((name, "dropbearconvert") if name == "dropbear" else (name,))):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is missing")
    tmp_path.chmod(0o755)
    paths = Paths(PurePosixPath(tmp_path / "data"))
    users = f"root:x:0:0:root:{tmp_path}/home:/bin/sh\nsshd:x:74:74::/run/sshd:/bin/false\n"
    (tmp_path / "passwd").write_text(users)
    keys = tmp_path / "home/.ssh"
    keys.mkdir(parents=True, mode=0o700)
    (keys / "authorized_keys").write_text(managed_key(paths) + "\n")
    (keys / "authorized_keys").chmod(0o600)
    host_key(paths, "shop-web")
    key = str(paths.host_key("shop-web"))
    config = f"HostKey {key}\nListenAddress 127.0.0.1\nUsePAM no\nStrictModes no\nPidFile none\n"
    (tmp_path / "sshd_config").write_text(config)
    if name == "dropbear":
        convert = ["dropbearconvert", "openssh", "dropbear", key, str(tmp_path / "dropbear")]
        subprocess.run(convert, capture_output=True, check=True)
    fakes = Path(__file__).parents[2] / "fakes"
    argv = ["unshare", "-n", "-m", "-p", "-f", "--mount-proc", "sh", "-c", RUN, "sh", str(tmp_path)]
    argv += [SERVERS[name], sys.executable, CLIENT, str(fakes)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode == 3 or "unshare failed" in done.stderr:
        pytest.skip("private namespaces are missing")
    assert done.returncode == 0, done.stderr + (tmp_path / "log").read_text()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_scripts_over_a_real_connection(answers: dict[str, Any]) -> None:
    lines, code, _ = answers["plain"]
    assert (lines, code) == (["one", "", "two", "three"], 7)
    assert answers["large"][:2] == [["end"], 0]
    lines, code, seconds = answers["daemon"]
    assert (lines, code) == (["up"], 0)
    assert seconds < 10, "what a script left running holds nobody up"
    lines, error, seconds = answers["cut"]
    assert (lines, error) == (["begun", "Terminated"][: len(lines)], "interrupted")
    assert seconds < 10
    assert answers["cut_gone"]
    lines, error, seconds = answers["vmm"]
    assert "the VM ended while a script ran in it" in error
    assert answers["vmm_gone"]
    lines, error, seconds = answers["lost"]
    assert "the connection ended before the script did" in error
    assert seconds < 10
