"""Places: from a manifest path back to the file."""

import pytest

from vmmcompose.errors import ManifestInvalid
from vmmcompose.manifest import Manifest, parse_manifest
from vmmcompose.model.problem import Place, Problem

TEXT = """\
defaults: {image: tiny, memory: 64MiB, mounts: ["./b:data", "./a:logs"]}
vms:
  web:
    cpus: 2
    ports:
      - "8080:80"
      - {host: 53, guest: 53, protocol: udp}
    files:
      /etc/motd: |
        hello
        there
"""


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return parse_manifest(TEXT.encode(), "vmm.yaml", "/home/ada/shop")


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (("vms", "web", "cpus"), "4:11-12"),
        (("vms", "web"), "3:3-6"),
        (("vms",), "2:1-4"),
        (("vms", "web", "ports"), "5:5-10"),
        (("vms", "web", "ports", 0), "6:9-18"),
        (("vms", "web", "ports", 1), "7:9-45"),
        (("vms", "web", "ports", 1, "protocol"), "7:41-44"),
        (("vms", "web", "ports", 9), "5:5-10"),
        (("vms", "web", "files", "/etc/motd"), "9:18-19"),
        (("vms", "web", "disk"), "3:3-6"),
        (("vms", "web", "memory"), "1:33-38"),
        (("vms", "api"), "2:1-4"),
        (("nothing",), "1:1-73"),
        (("vms", "web", "ports", "*:8080/tcp"), "6:9-18"),
        (("vms", "web", "ports", "*:53/udp"), "7:9-45"),
        (("vms", "web", "ports", "*:53/tcp"), "5:5-10"),
        (("vms", "web", "mounts", "logs"), "1:61-71"),
    ],
)
def test_place(manifest: Manifest, at: tuple[str | int, ...], expected: str) -> None:
    place = manifest.sources.place(at)
    assert place is not None
    assert f"{place.line}:{place.column}-{place.end_column}" == expected
    assert place.file == "vmm.yaml"
    assert place.text == TEXT.split("\n")[place.line - 1]


def test_key(manifest: Manifest) -> None:
    place = manifest.sources.key(("vms", "web", "cpus"))
    assert place is not None
    assert (place.line, place.column, place.end_column) == (4, 5, 9)


def test_locate_fills_in_places(manifest: Manifest) -> None:
    far = Place("other.yaml", 1, 1, 2)
    given = [
        Problem("a", "m", ("vms", "web", "cpus")),
        Problem("b", "m"),
        Problem("c", "m", ("vms",), place=far),
    ]
    places = [problem.place for problem in manifest.sources.locate(given)]
    assert places == [manifest.sources.place(("vms", "web", "cpus")), None, far]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_the_parser_counts_them(newline: str) -> None:
    text = TEXT.replace("cpus: 2", "cpus: 99").replace("\n", newline)
    with pytest.raises(ManifestInvalid) as caught:
        parse_manifest(text.encode(), "vmm.yaml", "/home/ada/shop")
    (problem,) = caught.value.problems
    assert problem.place is not None
    assert (problem.place.line, problem.place.text) == (4, "    cpus: 99")
