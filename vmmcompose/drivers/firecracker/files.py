"""A VMM's own files: each start begins new ones and keeps the last run's beside them."""

import contextlib
import os
from pathlib import Path

from vmmcompose.errors import HostError
from vmmcompose.model.paths import Paths
from vmmcompose.model.spec import VmSpec

_TAIL_BYTES = 4096
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
            with contextlib.suppress(FileNotFoundError):
                os.replace(path, f"{path}.1")
        Path(paths.metrics(spec.name)).unlink(missing_ok=True)
        for path in (paths.vmm_log(spec.name), paths.metrics(spec.name)):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise HostError(f"VM {spec.name}: {error.filename}: {error.strerror}") from error


def log_tail(paths: Paths, spec: VmSpec) -> list[str]:
    """The last lines of what Firecracker said, in its log or else on standard error."""
    for path in (paths.vmm_log(spec.name), paths.driver_log(spec.name)):
        lines = _last_lines(Path(path))
        if lines:
            return lines
    return []


def _last_lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    lines = ["".join(c if c.isprintable() else " " for c in line) for line in text.splitlines()]
    return [line for line in lines if line.strip()][-_TAIL_LINES:]
