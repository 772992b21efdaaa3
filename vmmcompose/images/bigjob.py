"""A tool that runs for minutes: its output goes to a file, its progress to people, and it never outlives us."""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from vmmcompose.errors import HostError, HostUnfit
from vmmcompose.host.files import make_dir
from vmmcompose.images.packages import Progress

_SAY_S = 15.0
_STEP_S = 0.25
_TAIL = 12
"""Lines of the log that a failure shows."""
_TAIL_BYTES = 20_000


def run(
    argv: Sequence[str],
    what: str,
    log: PurePosixPath,
    on_progress: Progress,
    *,
    env: Mapping[str, str],
    timeout_s: float,
) -> None:
    """Runs a tool and waits; on failure its last lines are in the error and the log stays.

    As root it runs in a PID namespace of its own, so that all its children end with it, and it ends with this
    process, also when this is killed.

    Raises:
        HostUnfit: the tool is not installed.
        HostError: it failed, or took longer than `timeout_s` seconds.
    """
    make_dir(log.parent, 0o755)
    begin = said = time.monotonic()
    try:
        with open(str(log), "wb") as out:
            job = subprocess.Popen(
                [*_contained(), *argv],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **env},
            )
    except FileNotFoundError as error:
        raise HostUnfit(f"{argv[0]} is not installed; cannot {what}") from error
    try:
        while job.poll() is None:
            time.sleep(_STEP_S)
            now = time.monotonic()
            if now - begin > timeout_s:
                raise HostError(f"cannot {what}: not done after {timeout_s:.0f} seconds", hint=f"see {log}")
            if now - said > _SAY_S:
                said = now
                on_progress(_words(log, now - begin))
    finally:
        if job.poll() is None:
            job.kill()
            job.wait()
    if job.returncode:
        raise HostError(
            f"cannot {what}: {argv[0]} ended with {job.returncode}",
            hint="\n".join([*_last_lines(log), f"all of it: {log}"]),
        )


def _contained() -> tuple[str, ...]:
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("setpriv") is None:
        return ()
    return ("setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def _words(log: PurePosixPath, seconds: float) -> str:
    with open(str(log), "rb") as file:
        count = sum(1 for _ in file)
    return f"{int(seconds) // 60}:{int(seconds) % 60:02} minutes, {count} steps"


def _last_lines(log: PurePosixPath) -> list[str]:
    with open(str(log), "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
        text = file.read().decode(errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() or "***" in line]
    return (errors or lines)[-_TAIL:]
