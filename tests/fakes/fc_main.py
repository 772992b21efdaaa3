"""The command line of the stand-in for Firecracker: arguments, log, exit codes.

It runs no guest (only the kernels of tiny_kernel.py are played), but refuses what the real one refuses and
answers as it does, so that a driver can be tried with many VMs and without KVM. Where a real binary is found,
tests/contract/test_firecracker_real.py compares the two.

Environment:
    FAKE_FC_VERSION       the version it claims (1.16.1); older ones lack what they lacked
    FAKE_FC_START_S       seconds before its socket is there (0)
    FAKE_FC_GRACE_S       seconds from Ctrl+Alt+Del to the guest's end (0.05)
    FAKE_FC_MISSED_KEYS   how many Ctrl+Alt+Del it does not hear, as it is still booting (0)
    FAKE_FC_IGNORE_CAD    1: the guest never reacts to Ctrl+Alt+Del
    FAKE_FC_DIES_AT       a path such as /boot-source: it ends with code 149 when that is asked for
    FAKE_FC_FORMAT        the version of its snapshots' state files
    FAKE_FC_NO_CLOCK      1: its snapshots do not hold the wall clock's time
    FAKE_FC_CONSOLE       what the guest prints when it starts
"""

import os
import sys
import time
from dataclasses import dataclass, field
from typing import NoReturn

from fc_http import Server
from fc_machine import Machine
from fc_snapshots import described, snapshot_format

VERSION = os.environ.get("FAKE_FC_VERSION", "1.16.1")
ARGUMENTS_WRONG, CONFIGURATION_WRONG, FAILED = 153, 152, 1

_FLAGS = {
    "no-seccomp",
    "no-api",
    "show-level",
    "show-log-origin",
    "boot-timer",
    "enable-pci",
    "help",
    "version",
}
_FLAGS |= {"snapshot-version"}
_VALUES = {"api-sock", "id", "seccomp-filter", "start-time-us", "start-time-cpu-us", "parent-cpu-time-us"}
_VALUES |= {"config-file", "metadata", "log-path", "level", "module", "metrics-path", "describe-snapshot"}
_VALUES |= {"http-api-max-payload-size", "mmds-size-limit"}
LEVELS = {"off", "error", "warn", "warning", "info", "debug", "trace"}


@dataclass
class Log:
    """The log: a file opened as Firecracker does (no truncation, written from its beginning), or stdout."""

    name: str
    descriptor: int = 1
    level: str = "info"
    _order: tuple[str, ...] = field(default=("off", "error", "warning", "info", "debug", "trace"))

    def open(self, path: str) -> None:
        create = os.O_CREAT if version_number() >= (1, 14) else 0
        self.descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | create, 0o666)

    def write(self, text: str, level: str = "info") -> None:
        if self._order.index(level) <= self._order.index(self.level):
            os.write(self.descriptor, f"{time.time():.6f} [{self.name}:main] {text}\n".encode())


def version_number() -> tuple[int, int]:
    major, minor, *_ = VERSION.split(".")
    return int(major), int(minor)


def main(argv: list[str]) -> NoReturn:
    log = Log("anonymous-instance")
    values = _parse(argv, log)
    if "version" in values:
        print(f"Firecracker v{VERSION}\n")
        sys.exit(0)
    if "snapshot-version" in values:
        print(f"v{snapshot_format()}")
        sys.exit(0)
    if "describe-snapshot" in values:
        version = described(values["describe-snapshot"])
        print(f"v{version}" if version else "", end="")
        sys.exit(0 if version else FAILED)
    if "help" in values:
        print(f"Firecracker v{VERSION}\n\n--" + "\n--".join(sorted(_FLAGS | _VALUES)))
        sys.exit(0)
    name = values.get("id", "anonymous-instance")
    if not 1 <= len(name.encode()) <= 64 or not all(c == "-" or c.isalnum() for c in name):
        log.write(f"Firecracker panicked: invalid instance id {name!r}")
        sys.stdout.flush()
        os.abort()
    log.name = name
    _open_log(log, values)
    log.write(f"Running Firecracker v{VERSION}")
    time.sleep(float(os.environ.get("FAKE_FC_START_S", "0")))
    machine = Machine(name, VERSION, log, pci="enable-pci" in values)
    if (
        "metrics-path" in values
        and machine.put_metrics({"metrics_path": values["metrics-path"]}).status != 204
    ):
        _fail(log, "the metrics file cannot be opened", FAILED)
    limit = int(values.get("http-api-max-payload-size", "51200"))
    try:
        server = Server(values.get("api-sock", "/run/firecracker.socket"), machine, limit)
    except OSError as error:
        _fail(log, f"cannot listen on the API socket: {error}", FAILED)
    server.run()
    if machine.ended is not None:
        _fail(log, "the machine cannot go on", machine.ended)
    log.write("Firecracker exiting successfully. exit_code=0")
    sys.stdout.flush()
    os._exit(0)  # the socket file stays, as with the real one


def _parse(argv: list[str], log: Log) -> dict[str, str]:
    """Arguments by name; a flag's value is empty."""
    values: dict[str, str] = {}
    rest = iter(argv)
    for argument in rest:
        name = argument.removeprefix("--")
        if not argument.startswith("--") or name not in _FLAGS | _VALUES:
            _fail(log, f"argument {name!r} is not known here", ARGUMENTS_WRONG)
        if name in values:
            _fail(log, f"argument {name!r} is there twice", ARGUMENTS_WRONG)
        value = "" if name in _FLAGS else next(rest, "--")
        if value.startswith("--"):
            _fail(log, f"argument {name!r} needs a value", ARGUMENTS_WRONG)
        values[name] = value
    if "no-api" in values and "config-file" not in values:
        _fail(log, "argument 'no-api' needs 'config-file'", ARGUMENTS_WRONG)
    if {"no-api", "config-file"} & values.keys():
        _fail(log, "this stand-in is configured over its API only", FAILED)
    return values


def _open_log(log: Log, values: dict[str, str]) -> None:
    level = values.get("level", "info").lower()
    if level not in LEVELS:
        _fail(log, f"level {level!r} is not known", CONFIGURATION_WRONG)
    try:
        if "log-path" in values:
            log.open(values["log-path"])
    except OSError as error:
        _fail(log, f"the log cannot be opened: {error}", FAILED)
    log.level = "warning" if level == "warn" else level


def _fail(log: Log, text: str, code: int) -> NoReturn:
    log.write(text, "error")
    log.write(f"Firecracker exiting with error. exit_code={code}", "error")
    print(f"Error: {text}", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
