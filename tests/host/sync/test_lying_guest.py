"""A guest that answers otherwise than it was asked: what it sends is refused or left out."""

import io
import shlex
import tarfile
from pathlib import Path

import pytest
from sync_lab import SyncLab

from vmmcompose.errors import HostError, NoSpace
from vmmcompose.host.sync.base import Base
from vmmcompose.host.sync.channel import Channel
from vmmcompose.host.sync.landing import Landing
from vmmcompose.host.sync.mirror import Mirror
from vmmcompose.host.sync.tree import Tree
from vmmcompose.model.mountsync import Report

pytestmark = pytest.mark.root


def tar(*members: tarfile.TarInfo) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return data.getvalue()


def member(name: str, size: int = 4, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size if kind == tarfile.REGTYPE else 0, kind, target
    return info


class Liar:
    """A guest whose shell is a script of ours: it lists one file and sends what it likes."""

    def __init__(self, lab: SyncLab, listing: str, sent: bytes) -> None:
        (lab.guest / "answer").write_bytes(sent)
        answer = shlex.quote(str(lab.guest / "answer"))
        self._script = f"""
T=$1
printf '\\n%s 0\\n' "$T"
while IFS= read -r line; do
  case $line in
    *" list "*) printf '%s ' "$T"; printf '%s\\n' {shlex.quote(listing)};;
    *) cat {answer};;
  esac
  printf '\\n%s 0\\n' "$T"
done
"""
        self._lab = lab

    def argv(self, command: tuple[str, ...]) -> list[str]:
        return ["sh", "-c", self._script, "sh", command[-1]]

    def pull(self) -> Report:
        with Tree(str(self._lab.host)) as tree, Channel(self.argv, "/", "web") as channel:
            return Mirror(tree, channel, Base(), "web", two_way=False).pull(force=True)


LISTED = "81a4 4 5 0 0 ./wanted"


@pytest.mark.parametrize(
    "sent",
    [
        tar(member("../escaped")),
        tar(member("/tmp/escaped")),
        tar(member("other")),
        tar(member("wanted"), member("wanted")),
        tar(member("wanted", size=3_000_000)),
        b"no tar at all" * 100,
        tar(member("l" * 200)) * 3,
        b"".join(tar(member(f"d{number}", kind=tarfile.DIRTYPE))[:512] for number in range(50)),
    ],
    ids=["climbing", "absolute", "unasked", "twice", "grown", "garbage", "unasked-long", "endless"],
)
def test_a_guest_that_sends_something_else_is_refused(
    lab: SyncLab, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmmcompose.host.sync.channel._STALL_S", 0.3)
    with pytest.raises(HostError, match="the guest sent"):
        Liar(lab, LISTED, sent).pull()
    assert {path.name for path in lab.host.iterdir()} <= {"wanted"}
    assert not (lab.host.parent / "escaped").exists()
    assert not Path("/tmp/escaped").exists()


@pytest.mark.parametrize(
    "info",
    [
        member("wanted", kind=tarfile.SYMTYPE, target="/etc/passwd"),
        member("wanted", kind=tarfile.LNKTYPE, target="/etc/passwd"),
        member("wanted", kind=tarfile.CHRTYPE),
        member("wanted", kind=tarfile.DIRTYPE),
    ],
    ids=["link", "hard-link", "device", "folder"],
)
def test_another_kind_than_was_listed_is_left_out(lab: SyncLab, info: tarfile.TarInfo) -> None:
    report = Liar(lab, LISTED, tar(info)).pull()
    assert report.fetched == 0
    assert list(lab.host.iterdir()) == []
    assert len(report.skipped) == 1


@pytest.mark.parametrize(
    "listing",
    ["81a4 x 5 0 0 ./a", "a1ff 4 5 0 0 ./a", "nothing", "81a4 -1 5 0 0 ./a", f"81a4 1 {10**30} 0 0 ./a"],
)
def test_a_listing_that_is_none_is_refused(lab: SyncLab, listing: str) -> None:
    with pytest.raises(HostError, match="in no way that is known"):
        Liar(lab, listing, b"").pull()


@pytest.mark.parametrize(
    "name",
    ["../escaped", "/escaped", "a/../../escaped", "./a//b", "a/" * 5000 + "b"],
    ids=["up", "absolute", "sly", "empty", "deep"],
)
def test_names_that_lead_out_are_not_asked_for(lab: SyncLab, name: str) -> None:
    assert Liar(lab, f"81a4 4 5 0 0 {name}", tar(member("x"))).pull() == Report()
    assert list(lab.host.iterdir()) == []


def test_what_grows_meanwhile_counts_as_well(lab: SyncLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Landing, "room", lambda _: 5000)
    with pytest.raises(NoSpace, match="more than half of what is free"):
        Liar(lab, LISTED, tar(member("wanted", size=6000))).pull()
    assert list(lab.host.iterdir()) == []
