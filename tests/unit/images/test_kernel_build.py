"""Which kernel is built from which source with which options, without building one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from file_server import Files, serving

from vmmcompose.errors import HostError, UsageError
from vmmcompose.images.kernelbuild import MACHINES, fragments
from vmmcompose.images.kernelsource import from_mirror, newest, unpack

SUMS = """-----BEGIN PGP SIGNED MESSAGE-----
{a}  linux-6.1.9.tar.xz
{b}  linux-6.1.10.tar.xz
{c}  linux-6.1.tar.xz
{a}  linux-6.10.2.tar.xz
{a}  patch-6.1.99.xz
-----BEGIN PGP SIGNATURE-----
"""


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    text = SUMS.format(a="a" * 64, b="b" * 64, c="c" * 64)
    with serving(Files({"/v6.x/sha256sums.asc": text.encode()})) as files:
        monkeypatch.setenv("VMM_KERNEL_MIRROR", files.url)
        monkeypatch.setattr("vmmcompose.host.web.time.sleep", lambda _seconds: None)
        yield files


def test_the_newest_patch_is_the_greatest_number_not_the_last_word(mirror: Files) -> None:
    release = newest("6.1")
    assert (release.version, release.digest.hexdigits) == ("6.1.10", "b" * 64)
    assert release.url == f"{mirror.url}/v6.x/linux-6.1.10.tar.xz"
    assert newest("6.1.9").version == "6.1.9"
    assert newest("6.10").version == "6.10.2"


@pytest.mark.parametrize("series", ["", "six", "6", "6.1.x", "6.1/../..", "v6.1"])
def test_what_is_no_version_asks_nobody(mirror: Files, series: str) -> None:
    with pytest.raises(UsageError, match="no kernel version"):
        newest(series)
    assert mirror.requests == []


def test_a_series_that_is_not_there_is_said(mirror: Files) -> None:
    with pytest.raises(UsageError, match=r"there is no kernel 6\.99"):
        newest("6.99")


def test_a_tarball_with_another_digest_is_not_unpacked(mirror: Files, tmp_path: Path) -> None:
    mirror.content["/v6.x/linux-6.1.10.tar.xz"] = b"not what was listed"
    with pytest.raises(HostError, match="wrong sha256"):
        from_mirror("6.1", tmp_path, tmp_path / "downloads", lambda _words: None)
    assert not (tmp_path / "source").exists()


def test_a_tarball_that_holds_no_kernel_is_refused(tmp_path: Path) -> None:
    import tarfile

    tarball = tmp_path / "x.tar"
    with tarfile.open(tarball, "w") as tar:
        tar.addfile(tarfile.TarInfo("x/README"))
    with pytest.raises(UsageError, match="no kernel source"):
        unpack(tarball, tmp_path, lambda _words: None)
    tarball.write_bytes(b"nonsense")
    (tmp_path / "again").mkdir()
    with pytest.raises(HostError, match=r"unpack x\.tar"):
        unpack(tarball, tmp_path / "again", lambda _words: None)


@pytest.mark.parametrize("machine", sorted(MACHINES))
def test_every_profile_holds_what_a_guest_needs(machine: str) -> None:
    needed = [
        *("VIRTIO_MMIO_CMDLINE_DEVICES", "VIRTIO_PCI", "VIRTIO_BLK", "VIRTIO_NET", "EXT4_FS", "OVERLAY_FS"),
        *("IP_PNP", "VIRTIO_VSOCKETS", "SERIAL_8250_CONSOLE", "DEVTMPFS_MOUNT", "HW_RANDOM_VIRTIO"),
        *("VT", "INPUT_EVDEV", "ACPI_BUTTON"),  # asked to shut down, a guest hears it through these
    ]
    if machine == "x86_64":
        needed += ["KVM_GUEST", "PVH", "SERIO_I8042", "KEYBOARD_ATKBD"]
    sizes = []
    for profile in ("minimal", "default", "debug"):
        lines = [line for text in fragments(profile, MACHINES[machine]) for line in text.splitlines()]
        options = [line for line in lines if line and not line.startswith("#")]
        assert not {f"CONFIG_{name}=y" for name in needed} - set(options), profile
        assert len(options) == len(set(options)), "nothing is asked for twice"
        assert not [line for line in options if line.endswith("=m")], "everything is built in"
        sizes.append(len(options))
    assert sizes == sorted(set(sizes)), "each profile asks for more than the one before"
