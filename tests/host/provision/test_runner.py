"""What runs a script in a guest, in a shell of this host with a /run of its own."""

import os
import shutil
import subprocess
import sys
import time

import pytest

from vmmcompose.guest.scripts import runner, script_bytes

pytestmark = pytest.mark.root
TOKEN = "0123456789abcdef"
SHELLS = (("sh",), ("busybox", "sh"), ("bash",))


@pytest.fixture(params=SHELLS, ids=" ".join)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    words: tuple[str, ...] = request.param
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is missing")
    probe = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "t", "/run"], check=False)
    if probe.returncode:
        pytest.skip("private namespaces are missing")
    return words


def start(shell: tuple[str, ...], script: str) -> subprocess.Popen[bytes]:
    """Runs it with its input held open, as a connection is."""
    command = (*shell, *runner(script, TOKEN)[1:])
    process = subprocess.Popen(
        ["unshare", "-m", "sh", "-c", 'mount -t tmpfs t /run && exec "$@"', "sh", *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin
    process.stdin.write(script_bytes(script))
    process.stdin.flush()
    return process


def finish(process: subprocess.Popen[bytes]) -> tuple[str, int]:
    """Reads until the line with the exit code, and gives what stands before it and the code."""
    assert process.stdout
    output = b""
    while TOKEN.encode() not in output or not output.endswith(b"\n"):
        data = os.read(process.stdout.fileno(), 4096)
        assert data, (output, process.stderr and process.stderr.read())
        output += data
    said, _, code = output.decode().rpartition(f"\n{TOKEN} ")
    assert process.stdin
    process.stdin.close()
    assert process.wait(5) == 0
    return said, int(code)


def outcome(shell: tuple[str, ...], script: str) -> tuple[str, int]:
    with start(shell, script) as process:
        return finish(process)


def test_both_streams_in_order_and_the_exit_code(shell: tuple[str, ...]) -> None:
    assert outcome(shell, "echo one; echo two >&2; printf three; exit 3") == ("one\ntwo\nthree", 3)
    assert outcome(shell, "exit 255") == ("", 255)
    assert outcome(shell, "") == ("", 0)


def test_a_script_cannot_read_itself_and_nobody_answers_its_questions(shell: tuple[str, ...]) -> None:
    said, code = outcome(shell, "cat\nread x || echo nobody\necho $DEBIAN_FRONTEND\necho end\n")
    assert (said, code) == ("nobody\nnoninteractive\nend\n", 0)


def test_the_first_line_says_what_runs_it(shell: tuple[str, ...]) -> None:
    assert outcome(shell, f"#!{sys.executable} -I\nprint('a b', 1 + 1)\n") == ("a b 2\n", 0)
    assert outcome(shell, "#!/bin/sh -e\nfalse\necho not reached\n") == ("", 1)


def test_a_large_script_arrives_whole(shell: tuple[str, ...]) -> None:
    script = "".join(f": {number:060}\n" for number in range(12_000)) + "echo whole\n"
    assert outcome(shell, script) == ("whole\n", 0)


def test_what_it_left_running_is_not_waited_for(shell: tuple[str, ...]) -> None:
    begin = time.monotonic()
    with start(shell, "sleep 4 & echo done") as process:
        assert finish(process) == ("done\n", 0)
        assert time.monotonic() - begin < 3


def test_the_end_of_the_input_ends_the_script_and_its_children(shell: tuple[str, ...]) -> None:
    with start(shell, "trap 'echo told; exit 9' TERM; echo begun; sleep 60 & wait") as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == b"begun\n"
        process.stdin.close()
        assert b"told" in process.stdout.read()  # its end comes only when the sleep has gone, too


def test_one_that_does_not_listen_is_ended_by_force(shell: tuple[str, ...]) -> None:
    with start(shell, "trap '' TERM; echo begun; while :; do sleep 1; done") as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == b"begun\n"
        process.stdin.close()
        begin = time.monotonic()
        assert process.stdout.read().decode().rstrip().endswith(f"{TOKEN} 137")
        assert time.monotonic() - begin < 10
