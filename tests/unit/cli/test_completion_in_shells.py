"""Completion in real shells: the scripts are sourced, and a line is completed with the Tab key."""

import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from shop_host import environ, make_shop


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return make_shop(tmp_path)


SETUP = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source <(vmm completion bash)"),
    "zsh": (["zsh", "-f", "-i"], "autoload -U compinit; compinit -D -u; source <(vmm completion zsh)"),
}


@pytest.mark.parametrize("shell", SETUP)
@pytest.mark.parametrize(
    ("typed", "completed"),
    [("vmm ssh we", "vmm ssh web"), ("vmm compl", "vmm completion"), ("vmm up web ca", "vmm up web cache")],
)
def test_the_tab_key_in_a_real_shell(place: Path, shell: str, typed: str, completed: str) -> None:
    """The line is completed, turned into an argument of echo, and run."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is missing")
    argv, setup = SETUP[shell]
    said = typed_into(
        argv, place, f"{setup}; echo rea''dy\n", f"{typed}\t\x01echo got: \x05\n", r"(?m)^got: (.*?) *\r"
    )
    assert said == completed


def typed_into(argv: list[str], place: Path, setup: str, keys: str, answer: str) -> str:
    """Types into an interactive shell on a terminal of its own; what it printed where `answer` has its group."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(place)
        os.execvpe(argv[0], argv, environ(place))
    try:
        os.write(terminal, setup.encode())
        _until(terminal, r"(?m)^ready\r")
        os.write(terminal, keys.encode())
        return _until(terminal, answer)[1]
    finally:
        os.close(terminal)
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def _until(terminal: int, wanted: str) -> re.Match[str]:
    said, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 1)[0]:
            said += os.read(terminal, 65536)
            found = re.search(wanted, said.decode(errors="replace"))
            if found:
                return found
    raise AssertionError(said.decode(errors="replace"))


def test_fish_understands_its_script(place: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is missing")
    program = (
        "vmm completion fish | source; complete --do-complete='vmm ssh w'; complete --do-complete='vmm com'"
    )
    done = subprocess.run(
        ["fish", "--no-config", "-c", program],
        env=environ(place),
        cwd=place,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["web", "completion\tPrint a shell's completion script"]
    assert done.stderr == ""
