"""The commands on one running guest, and what they say."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
from pathlib import Path

import pytest
from lab import Lab, eventually

pytestmark = [pytest.mark.root, pytest.mark.guest]


@pytest.fixture(autouse=True)
def running(hello: Lab) -> None:
    hello.vmm("-q", "up")


def test_nothing_to_do_is_said_with_the_forwards(hello: Lab) -> None:
    done = hello.vmm("up")
    assert done.stdout == ""
    assert done.stderr.splitlines()[0] == "nothing to do: 1 VM as the manifest says"
    assert "127.0.0.1:8080 -> web:80" in done.stderr
    assert hello.vmm("-q", "up").stderr == ""


def test_remote_codes_words_and_input_arrive(hello: Lab) -> None:
    assert hello.vmm("ssh", "web", "--", "echo one; exit 7", code=7).stdout == "one\n"
    assert (
        hello.vmm("exec", "web", "--", "sh", "-c", 'echo "$1"; exit 9', "x", "a  b'c", code=9).stdout
        == "a  b'c\n"
    )
    assert hello.vmm("exec", "hello-web", "--", "cat", "/etc/hostname").stdout == "web\n"
    with hello.net.inside():
        done = subprocess.run(
            hello.command("exec", "web", "--", "cat"), input=b"\0bytes\xff", stdout=subprocess.PIPE, check=True,
            cwd=hello.project,
        )  # fmt: skip
    assert done.stdout == b"\0bytes\xff"


def test_ssh_on_a_terminal_gives_the_guest_one(hello: Lab) -> None:
    master, slave = pty.openpty()
    with hello.net.inside():
        child = subprocess.Popen(
            hello.command("ssh", "web", "--", "test -t 0 && echo a-terminal; exit 5"),
            stdin=slave, stdout=slave, stderr=slave, cwd=hello.project,
        )  # fmt: skip
    os.close(slave)
    assert child.wait(60) == 5
    assert b"a-terminal" in os.read(master, 10000)
    os.close(master)


def test_unknown_vms_are_usage_errors_with_a_suggestion(hello: Lab) -> None:
    for args in (
        ("ssh", "wbe"),
        ("up", "wbe"),
        ("stop", "wbe"),
        ("logs", "wbe"),
        ("inspect", "wbe"),
        ("ps", "wbe"),
    ):
        done = hello.vmm(*args, code=64)
        assert "did you mean 'web'?" in done.stderr, args


def test_the_console_is_shown_and_followed(hello: Lab) -> None:
    whole = hello.vmm("logs", "web").stdout
    assert "Linux version" in whole
    assert hello.vmm("console", "web", "-n", "2").stdout.count("\n") == 2
    follower = hello.start("logs", "-f", "-n", "0", "web")
    assert follower.stdout is not None
    pipe = follower.stdout.fileno()
    os.set_blocking(pipe, False)
    seen = b""

    def printed() -> bool:
        nonlocal seen
        hello.vmm("exec", "web", "--", "sh", "-c", "echo from-the-guest > /dev/console")
        with contextlib.suppress(BlockingIOError):  # nothing there yet
            seen += os.read(pipe, 65536)
        return b"from-the-guest" in seen

    eventually(printed, "the guest's line", 60)
    follower.send_signal(signal.SIGINT)
    assert follower.wait(20) == 130
    assert b"Traceback" not in seen + os.read(pipe, 65536)


def test_from_the_records_alone(hello: Lab, tmp_path: Path) -> None:
    manifest = hello.project / "vmm.yaml"
    hidden = tmp_path / "vmm.yaml"
    manifest.rename(hidden)
    try:
        hello.vmm("ps")
        assert hello.vmm("ssh", "web", "--", "true", code=64).stderr.count("hint:") == 1
        assert hello.vmm("-p", "hello", "ssh", "web", "--", "hostname").stdout == "web\n"
        said = hello.vmm("-p", "hello", "stop", "--grace", "10").stderr
        assert "done in" in said
        assert json.loads(hello.vmm("-p", "hello", "ps", "--json").stdout)["vms"][0]["state"] == "stopped"
        refused = hello.vmm("-p", "hello", "ssh", "web", code=1).stderr
        assert "VM web is stopped" in refused
        assert "hint: vmm up web" in refused
        hello.vmm("-p", "hello", "start")
        done = hello.vmm("-p", "helo", "stop", code=64)
        assert "did you mean 'hello'?" in done.stderr
    finally:
        hidden.rename(manifest)
    assert hello.vmm("plan", "--detailed-exitcode").returncode == 0


def test_restart_is_another_process_and_tells_json(hello: Lab) -> None:
    before = hello.pid("web")
    lines = [
        json.loads(line) for line in hello.vmm("--log-format", "json", "restart", "web").stderr.splitlines()
    ]
    assert hello.pid("web") != before
    assert lines[-1]["event"] == "ended"
    assert lines[-1]["changes"] == [{"address": "vm/web", "kind": "restart"}]
    assert {"StopVm", "StartVm", "WaitVm"} <= {line.get("action") for line in lines}


def test_a_dead_vm_is_called_dead(hello: Lab) -> None:
    os.kill(hello.pid("web"), signal.SIGKILL)
    eventually(
        lambda: json.loads(hello.vmm("ps", "--json").stdout)["vms"][0]["state"] == "dead",
        "the VM is seen dead",
    )
    assert "VM web is dead" in hello.vmm("ssh", "web", code=1).stderr
    row = hello.vmm("ps").stdout.splitlines()[1]
    assert row.split()[:3] == ["hello-web", "web", "dead"]


def test_dry_runs_change_nothing(hello: Lab) -> None:
    before = (hello.traces(), hello.pid("web"))
    assert "delete" in hello.vmm("down", "--dry-run").stdout
    assert "replace" in hello.vmm("up", "--recreate", "--dry-run").stdout
    assert (hello.traces(), hello.pid("web")) == before


def test_data_loss_is_refused_without_a_terminal_and_asked_on_one(hello: Lab) -> None:
    pid = hello.pid("web")
    done = hello.vmm("up", "--recreate", code=1)
    assert "data would be lost" in done.stderr
    assert "--allow-data-loss" in done.stderr
    master, slave = pty.openpty()
    with hello.net.inside():
        child = subprocess.Popen(
            hello.command("up", "--recreate"), stdin=slave, stdout=slave, stderr=slave, cwd=hello.project
        )
    os.close(slave)
    os.write(master, b"n\n")
    assert child.wait(60) == 1
    text = os.read(master, 10000).decode()
    os.close(master)
    assert "Go on?" in text
    assert "nothing was changed" in text
    assert hello.pid("web") == pid


def test_live_progress_on_a_terminal(hello: Lab) -> None:
    master, slave = pty.openpty()
    with hello.net.inside():
        child = subprocess.Popen(
            hello.command("restart", "web"), stdin=slave, stdout=slave, stderr=slave, cwd=hello.project,
            env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "60", "LINES": "10"},
        )  # fmt: skip
    os.close(slave)
    text = b""
    try:
        while block := os.read(master, 65536):
            text += block
    except OSError:  # the other side is closed
        pass
    os.close(master)
    assert child.wait(60) == 0
    plain = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", text).decode()
    assert re.search(r"✓ web  healthy  \d", plain)
    assert "1 VM restarted" in plain
    assert text.rstrip().endswith(b"restarted") or b"\x1b[?25h" in text, "the cursor is shown again"


def test_doctor_on_this_host(hello: Lab) -> None:
    checks = json.loads(hello.vmm("doctor", "--json").stdout)["checks"]
    states = {check["name"]: check["status"] for check in checks}
    assert states["images"] == states["kernels"] == states["tun"] == states["root"] == "ok"
    assert "fail" not in states.values()
    text = hello.vmm("doctor").stdout
    assert re.search(r"^ok +images +.*tiny", text, re.MULTILINE)
