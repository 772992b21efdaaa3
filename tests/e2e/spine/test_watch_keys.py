"""`vmm watch` on a terminal: single keys, and the terminal as it was before."""

import os
import pty
import select
import signal
import subprocess
import termios
import threading
from collections.abc import Iterator

import pytest
from lab import Lab, eventually
from stand_in_lab import DEFAULTS, stand_in_host

pytestmark = pytest.mark.root


@pytest.fixture
def host() -> Iterator[Lab]:
    with stand_in_host() as lab:
        lab.write(f"{DEFAULTS}vms: {{a: {{}}}}\n")
        lab.vmm("up", "--no-wait")
        yield lab


class Terminal:
    """A terminal with `vmm watch` on it."""

    def __init__(self, lab: Lab) -> None:
        self.master, slave = pty.openpty()
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        with lab.net.inside():
            self.process = subprocess.Popen(
                lab.command("watch", "--no-wait"),
                cwd=lab.project,
                env={**os.environ, **lab.env, "TERM": "xterm"},
                stdin=slave,
                stdout=slave,
                stderr=slave,
                start_new_session=True,
                preexec_fn=lambda: os.close(os.open(os.ttyname(slave), os.O_RDWR)),  # noqa: PLW1509 - its own terminal; no thread runs yet
            )
        self.text = ""
        self._open = True
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while self._open:
            if select.select([self.master], [], [], 0.1)[0]:
                self.text += os.read(self.master, 4096).decode(errors="replace")

    def press(self, key: str) -> None:
        os.write(self.master, key.encode())

    def shows(self, words: str) -> None:
        eventually(lambda: words in self.text, f"{words!r} on the terminal")

    def hang_up(self) -> None:
        if self._open:
            self._open = False
            self._reader.join()
            os.close(self.slave)
            os.close(self.master)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.hang_up()


@pytest.fixture
def terminal(host: Lab) -> Iterator[Terminal]:
    found = Terminal(host)
    yield found
    found.close()


def test_keys(host: Lab, terminal: Terminal) -> None:
    terminal.shows("q ends")
    log = host.data / "logs" / "lab-a" / "console.log"
    with log.open("a") as file:
        file.write("not asked for\n")
    terminal.press("r")
    terminal.shows("looking again")
    terminal.press("l")
    eventually(lambda: termios.tcgetattr(terminal.slave) != terminal.before, "single keys")
    eventually(lambda: _says(log, "from the guest", terminal), "the console")
    assert "not asked for" not in terminal.text
    terminal.press("q")
    assert terminal.process.wait(20) == 0
    assert termios.tcgetattr(terminal.slave) == terminal.before


def _says(log: "os.PathLike[str]", words: str, terminal: Terminal) -> bool:
    with open(log, "a") as file:
        file.write(f"{words}\n")
    return f"a | \x1b[0m{words}" in terminal.text or f"a | {words}" in terminal.text


def test_ctrl_c(terminal: Terminal) -> None:
    terminal.shows("q ends")
    terminal.press("\x03")
    assert terminal.process.wait(20) == 0
    assert termios.tcgetattr(terminal.slave) == terminal.before


def test_a_terminal_that_is_closed(terminal: Terminal) -> None:
    terminal.shows("q ends")
    terminal.hang_up()
    assert terminal.process.wait(20) == 0
