"""docker or podman, asked for an image's files: a container is made, exported and removed, and never started."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vmmcompose.errors import HostError, HostUnfit
from vmmcompose.images.jsonblob import Json
from vmmcompose.images.packages import Progress
from vmmcompose.images.streams import Reader

ENGINES = ("docker", "podman")
_LABEL = "vmm.import"
_NO_COMMAND = "/none"
"""The container never runs; engines want a command where the image has none."""
_SHORT_S = 60
_PULL_S = 3600
_OFFLINE = ("no such host", "dial tcp", "connection refused", "timeout", "unreachable", "Temporary failure")


@dataclass(frozen=True, slots=True)
class Exported:
    """An image's files on their way out of an engine."""

    files: Reader
    """A tar, not compressed."""
    config: Json
    """What its containers are started with."""
    digest: str
    """The image's id."""
    machine: str
    """The architecture it is for."""


def find_engine(asked: str) -> str:
    """The engine to use: the one that is asked for, else the first that answers.

    Raises:
        HostUnfit: there is none, or it does not answer.
    """
    said: list[str] = []
    for engine in (asked,) if asked else ENGINES:
        if shutil.which(engine) is None:
            said.append(f"{engine} is not installed")
            continue
        done = _run([engine, "ps", "-q"], _SHORT_S)
        if done.returncode == 0:
            return engine
        said.append(f"{engine} does not answer ({_reason(done.stderr)})")
    raise HostUnfit(
        f"cannot import from an engine: {'; '.join(said)}",
        hint="install docker or podman, or take a file that `docker save` wrote on another machine: --archive FILE",
    )


@contextmanager
def exported(engine: str, reference: str, owner: str, on_progress: Progress) -> Iterator[Exported]:
    """The files of an image, which is pulled where the engine does not have it.

    Args:
        engine: as `find_engine` gave it.
        reference: the image, as the engine calls it.
        owner: whose containers these are; what an interrupted import of the same owner left is removed first.
        on_progress: told about everything that takes long.

    Raises:
        HostError: there is no such image, or the engine failed.
    """
    _remove(
        engine, _run([engine, "ps", "-aq", "--filter", f"label={_LABEL}={owner}"], _SHORT_S).stdout.split()
    )
    on_progress(f"asking {engine} for {reference}")
    argv = [
        engine,
        "create",
        "--label",
        f"{_LABEL}={owner}",
        "--network",
        "none",
        "--",
        reference,
        _NO_COMMAND,
    ]
    made = _run(argv, _PULL_S)
    if made.returncode:
        raise _no_image(engine, reference, made.stderr)
    container = made.stdout.decode().split()[-1:]
    try:
        if not container:
            raise HostError(f"{engine} create did not say which container it made")
        image = _inspect(engine, reference)
        with _export(engine, container[0]) as files:
            config = image.get("Config")
            yield Exported(
                files,
                config if isinstance(config, dict) else {},
                str(image.get("Id", "")),
                str(image.get("Architecture", "")),
            )
    finally:
        _remove(engine, [name.encode() for name in container])


@contextmanager
def _export(engine: str, container: str) -> Iterator[Reader]:
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            (engine, "export", container), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints
        )
        assert process.stdout is not None
        try:
            yield process.stdout
            if process.wait(_SHORT_S):
                complaints.seek(0)
                raise HostError(f"{engine} export failed: {_reason(complaints.read(20_000))}")
        finally:
            process.stdout.close()
            if process.poll() is None:
                process.terminate()
                process.wait()


def _inspect(engine: str, reference: str) -> dict[str, Any]:
    done = _run([engine, "image", "inspect", "--", reference], _SHORT_S)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        found = None
    if done.returncode or not isinstance(found, list) or not found or not isinstance(found[0], dict):
        raise HostError(f"{engine} cannot tell about {reference}: {_reason(done.stderr)}")
    return found[0]


def _remove(engine: str, containers: list[bytes]) -> None:
    if containers:
        _run([engine, "rm", "-f", "--", *(os.fsdecode(name) for name in containers)], _SHORT_S)


def _no_image(engine: str, reference: str, stderr: bytes) -> HostError:
    reason = _reason(stderr)
    offline = any(word in stderr.decode(errors="replace") for word in _OFFLINE)
    hint = f"check the name; `{engine} images` lists what is here"
    if offline:
        hint = f"{reference} is not on this host and its registry cannot be reached; --archive FILE needs no network"
    return HostError(f"{engine} has no image {reference}: {reason}", hint=hint)


def _reason(stderr: bytes) -> str:
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith("Run '")]
    return (told or ["it does not say why"])[-1][:300]


def _run(argv: list[str], timeout_s: float) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise HostError(f"{argv[0]} {argv[1]} did not end within {timeout_s:.0f} seconds") from error
    except OSError as error:
        raise HostError(f"cannot run {argv[0]}: {error.strerror}") from error
