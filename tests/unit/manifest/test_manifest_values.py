"""Sizes, durations, paths, keys, forwards: what is taken and what it becomes."""

import pytest

from vmmcompose.manifest.access import ssh_key
from vmmcompose.manifest.locations import host_path, normalised
from vmmcompose.manifest.network import forward, pinned_ip
from vmmcompose.manifest.report import BadValueError
from vmmcompose.manifest.storage import mount
from vmmcompose.manifest.values import boot_args, normalised_name, seconds, size_mib
from vmmcompose.model.desired import Forward, Mount
from vmmcompose.model.settings import Settings

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPGyBTb0GgZ0gk1SxpPLXN5u4Km9Qk2l0nYH3pI7bWc"


@pytest.mark.parametrize(
    ("value", "mib"),
    [(2048, 2048), ("2048", 2048), ("512MiB", 512), ("512M", 512), ("512m", 512), ("1g", 1024), ("1GiB", 1024),
     ("1.5GiB", 1536), ("0.5g", 512), ("1 GiB", 1024), ("2TiB", 2 << 20), ("2048KiB", 2), ("1gib", 1024),
     ("1.25M", None), ("1.0009765625GiB", None), ("1.5", None), ("1MB", None), ("1B", None), ("1e3", None),
     ("MiB", None), ("1\u00a0MiB", None), ("", None), ("1  GiB", None), ("-1", None), ("1\n", None), (0, None)],
)  # fmt: skip
def test_sizes(value: int | str, mib: int | None) -> None:
    if mib is None:
        with pytest.raises(BadValueError):
            size_mib(value, 1, 4 << 20)
    else:
        assert size_mib(value, 1, 4 << 20) == mib


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2s", 2.0), ("500ms", 0.5), ("1m", 60.0), ("1m30s", 90.0), ("90s", 90.0), ("1h", 3600.0), ("0.5s", 0.5),
     ("1h1m1s1ms", 3661.001), ("2", None), ("s", None), ("", None), ("30s1m", None), ("1s1s", None), ("99ms", None),
     ("25h", None), ("1 s", None), ("-1s", None), ("1S", None), ("1d", None)],
)  # fmt: skip
def test_durations(text: str, expected: float | None) -> None:
    if expected is None:
        with pytest.raises(BadValueError):
            seconds(text)
    else:
        assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/b", "/a/b"),
        ("/a/./b//c/", "/a/b/c"),
        ("/a/../../b", "/b"),
        ("/..", "/"),
        ("/", "/"),
        ("//a", "/a"),
    ],
)
def test_paths_are_joined_as_text(path: str, expected: str) -> None:
    assert normalised(path) == expected


def test_relative_paths_count_from_the_manifest() -> None:
    assert host_path("../x", "/home/ada/shop") == "/home/ada/x"
    assert host_path("x/~y", "/") == "/x/~y"


@pytest.mark.parametrize("text", ["", " ", "~", "~/x", "~ada/x", "a\nb", "a\x00b", "a" * 4001])
def test_paths_that_will_not_do(text: str) -> None:
    with pytest.raises(BadValueError):
        host_path(text, "/base")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8080:80", Forward(8080, 80)),
        ("127.0.0.1:2222:22", Forward(2222, 22, "tcp", "127.0.0.1")),
        ("0.0.0.0:2222:22", Forward(2222, 22)),
        ("5353:53/udp", Forward(5353, 53, "udp")),
        ("5353:53/UDP", Forward(5353, 53, "udp")),
        ("0080:080", Forward(80, 80)),
    ],
)
def test_forwards(text: str, expected: Forward) -> None:
    assert forward(text) == expected


def test_both_forms_of_a_forward_are_one() -> None:
    long = {"host": 2222, "guest": 22, "protocol": "udp", "bind": "127.0.0.1"}
    assert forward(long) == forward("127.0.0.1:2222:22/udp")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("./a:site", Mount("site", "/base/a", "rw")),
        ("a:site:ro", Mount("site", "/base/a", "ro")),
        ("/a:ro", Mount("ro", "/a", "rw")),
        ("/a:rw:rw", Mount("rw", "/a", "rw")),
        ("/:x", None),
        ("/base/../proc:x", None),
        ("a:b:c:ro", None),
        ("a:-b", None),
        ("a:b-", None),
        ("a", None),
        ("a:", None),
    ],
)
def test_mounts(text: str, expected: Mount | None) -> None:
    if expected is None:
        with pytest.raises(BadValueError):
            mount(text, "/base")
    else:
        assert mount(text, "/base") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("quiet", "quiet"),
        ("  quiet   debug ", "quiet debug"),
        ('dyndbg="file a.c  +p" x', 'dyndbg="file a.c  +p" x'),
        (
            "console=ttyS0 rootwait init=/bin/sh zip=1 ip6=no",
            "console=ttyS0 rootwait init=/bin/sh zip=1 ip6=no",
        ),
        ("a--b --c", "a--b --c"),
        ("root", "root"),
        ("root=/dev/sda", None),
        ('"root=/dev/sda"', None),
        ('r"oo"t=/dev/sda', None),
        ("a ip=dhcp", None),
        ("ip=", None),
        ("--", None),
        ('"--"', None),
        ('a="b', None),
        ("a\tb", None),
        ("a\nb", None),
        ("ü", None),
    ],
)
def test_boot_args(text: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(BadValueError):
            boot_args(text)
    else:
        assert boot_args(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (KEY, KEY),
        (f"  {KEY}   ada@home  ", f"{KEY} ada@home"),
        ("./id.pub", "/base/id.pub"),
        ("/etc/key with space.pub", "/etc/key with space.pub"),
        (KEY[:-4], None),
        (KEY.replace("ssh-ed25519", "ssh-rsa"), None),
        (f"{KEY} a\nssh-ed25519 b", None),
        ("-----BEGIN RSA PRIVATE KEY-----", None),
        ("~/.ssh/id.pub", None),
    ],
)
def test_ssh_keys(text: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(BadValueError):
            ssh_key(text, "/base")
    else:
        assert ssh_key(text, "/base") == expected


@pytest.mark.parametrize("subnet", ["192.168.7.0/24", "192.168.7.1/24"])
def test_pinned_addresses_follow_the_settings(subnet: str) -> None:
    settings = Settings(subnet=subnet, gateway="192.168.7.1")
    assert pinned_ip("192.168.7.9", settings) == "192.168.7.9"
    for text in ("192.168.7.0", "192.168.7.255", "192.168.7.1", "192.168.8.9", "172.16.0.9"):
        with pytest.raises(BadValueError):
            pinned_ip(text, settings)


@pytest.mark.parametrize(
    ("text", "name"),
    [("My Shop", "my-shop"), ("--a__b--", "a-b"), ("shop", "shop"), ("日本", ""), ("ü-1", "1")],
)
def test_normalised_names(text: str, name: str) -> None:
    assert normalised_name(text) == name
