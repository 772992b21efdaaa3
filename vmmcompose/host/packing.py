"""Part of a directory copied beside an image: with tar(1), which keeps what a guest would see of it."""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile

from vmmcompose.errors import HostError, HostUnfit
from vmmcompose.host.files import PathLike

_WORDS = 4096
_KEEP = ("--xattrs", "--xattrs-include=*")


def copy_chosen(
    source: PathLike, target: Path, paths: Iterable[bytes], owner: tuple[int, int] | None
) -> None:
    """Copies some paths of a directory into an empty one: files, folders, links and devices, holes as holes.

    Paths are relative, a folder before what is in it; a folder stands for itself alone. `owner` gets
    everything, else the owners stay.

    Raises:
        HostError: one of them is gone or cannot be read, or the disk is full.
        HostUnfit: there is no tar.
    """
    pack = ["tar", "--create", "--file=-", "--format=posix", "--sparse", *_KEEP, "--numeric-owner"]
    if owner is not None:
        pack += [f"--owner=vmm:{owner[0]}", f"--group=vmm:{owner[1]}"]
    pack += [f"--directory={os.fspath(source)}", "--no-recursion", "--null", "--verbatim-files-from"]
    pack += ["--files-from=-"]
    unpack = ["tar", "--extract", "--file=-", *_KEEP, "--numeric-owner", "--same-owner", "--same-permissions"]
    unpack += [f"--directory={target}"]
    try:
        with TemporaryFile() as names, TemporaryFile() as said:
            names.writelines(b"./" + path + b"\0" for path in paths)
            names.seek(0)
            with subprocess.Popen(pack, stdin=names, stdout=subprocess.PIPE, stderr=said) as packing:
                unpacked = subprocess.run(unpack, stdin=packing.stdout, stderr=said, check=False)
                assert packing.stdout is not None
                packing.stdout.close()
            failed = packing.returncode or unpacked.returncode
            said.seek(0)
            lines = said.read(_WORDS).decode("utf-8", "replace").splitlines() or [f"exit code {failed}"]
    except FileNotFoundError as error:
        raise HostUnfit("tar is not installed", hint="apt-get install tar") from error
    if failed:
        raise HostError(f"cannot copy {os.fspath(source)}: {lines[0]}")
