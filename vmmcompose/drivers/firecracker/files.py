"""A VMM's own files: each start begins new ones and keeps the last run's beside them."""

import os
from pathlib import Path

from vmmcompose.errors import HostError
from vmmcompose.host import console
from vmmcompose.model.paths import Paths
from vmmcompose.model.spec import VmSpec

_TAIL_LINES = 3


def prepare_files(paths: Paths, spec: VmSpec) -> None:
    """Make the folders of logs and sockets, put the last run's logs aside as `.1`, and begin new ones.

    Log and metrics file are made here because older Firecrackers open only files that exist, and are
    never used again because every version writes from a file's beginning over what is there.

    Raises:
        HostError: a folder or file cannot be made.
    """
    kept = [paths.console(spec.name), paths.driver_log(spec.name), paths.vmm_log(spec.name)]
    try:
        Path(paths.sockets()).mkdir(mode=0o700, parents=True, exist_ok=True)
        Path(paths.logs(spec.name)).mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in kept:
            console.rotate(path)
        Path(paths.metrics(spec.name)).unlink(missing_ok=True)
        for path in (paths.vmm_log(spec.name), paths.metrics(spec.name)):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise HostError(f"VM {spec.vm}: {error.filename}: {error.strerror}") from error


def log_tail(paths: Paths, spec: VmSpec) -> list[str]:
    """The last lines of what Firecracker said, in its log or else on standard error."""
    logs = (paths.vmm_log(spec.name), paths.driver_log(spec.name))
    return next((lines for lines in (console.tail(log, _TAIL_LINES) for log in logs) if lines), [])
