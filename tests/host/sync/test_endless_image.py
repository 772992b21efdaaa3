"""An image that a guest made to have no end is told as that, before it costs the host its memory."""

import re
import struct
import subprocess
from pathlib import Path

import pytest

from vmmcompose.errors import HostError
from vmmcompose.host import debugfs
from vmmcompose.host.imagetree import ImageTree

pytestmark = pytest.mark.root
_BLOCK = 1024


def endless(image: Path, path: str) -> None:
    """Gives a file or folder its own first block again and again, by two levels of blocks that name one block each."""
    block = int(re.findall(r"\(0\):(\d+)", script(image, f"stat {path}"))[0])
    free = [int(number) for number in re.findall(r"\d+", script(image, "ffb 2").partition("found:")[2])]
    with image.open("r+b") as file:
        for at, to in zip(free[:2], (free[1], block), strict=True):
            file.seek(at * _BLOCK)
            file.write(struct.pack("<I", to) * (_BLOCK // 4))
    extents = [f"sif {path} block[{number}] {0 if number else block}" for number in range(12)]
    script(image, f"sif {path} flags 0", *extents, f"sif {path} block[DIND] {free[0]}")


def script(image: Path, *commands: str) -> str:
    return debugfs.run(image, commands, write=True)[0].decode()


@pytest.mark.parametrize("path", ["/folder", "/file"])
def test_an_image_without_end(tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source, image = tmp_path / "source", tmp_path / "image"
    (source / "folder").mkdir(parents=True)
    for number in range(20):
        (source / "folder" / f"{number}").write_text("")
    (source / "file").write_text("1")
    command = (
        "mke2fs",
        "-q",
        "-b",
        str(_BLOCK),
        "-O",
        "^metadata_csum",
        "-d",
        str(source),
        str(image),
        "16M",
    )
    subprocess.run(command, check=True)
    assert len(ImageTree(image).scan()) == 23
    endless(image, path)
    monkeypatch.setattr("vmmcompose.host.bounded._MOST", 1 << 18)
    with pytest.raises(HostError, match="makes no sense"):
        ImageTree(image).scan()
    with pytest.raises(HostError, match="makes no sense"):
        debugfs.stat(image, [path])
