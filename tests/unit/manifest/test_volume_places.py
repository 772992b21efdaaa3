"""Places of volumes in a guest: none in another's, however many there are."""

import pytest
from counting import calls_of, grows_steadily

from vmmcompose.errors import ManifestInvalid
from vmmcompose.manifest import parse_manifest


def read(*targets: str, files: str = "") -> list[str]:
    """What is said of a VM with volumes at these places."""
    lines = ["vms:", "  web:", "    image: tiny", "    mounts: ['/srv/site:site']", f"    files: {{{files}}}"]
    lines += ["    volumes:", *(f"      - d{number}:{target}" for number, target in enumerate(targets))]
    lines += ["volumes:", *(f"  d{number}:" for number in range(len(targets)))]
    try:
        parse_manifest("\n".join(lines).encode(), "vmm.yaml", "/home/ada/shop")
    except ManifestInvalid as error:
        return [problem.message for problem in error.problems]
    return []


@pytest.mark.parametrize("other", ["/srv/a", "/srv/a/b/c", "/srv", "/mnt/site", "/mnt/site/x", "/mnt"])
def test_the_same_place_one_above_and_one_below(other: str) -> None:
    (message,) = read("/srv/a", other)
    place = "mount `site` at `/mnt/site`" if "/mnt" in other else "volume `d0` at `/srv/a`"
    assert f"at `{other}` overlaps {place}" in message


def test_names_that_only_begin_alike_are_other_places() -> None:
    assert read("/srv/a", "/srv/ab", "/srv/a-b", "/mnt/sites", files="/srv/abc: x") == []


def test_a_file_in_a_volume_would_not_be_seen() -> None:
    (message,) = read("/srv/a", files="/srv/a/b/c: x")
    assert "must not be in `/srv/a`" in message


def test_the_work_grows_with_their_number_and_not_faster() -> None:
    def work(count: int) -> int:
        targets = [f"/srv/{number}" for number in range(count)]
        files = ", ".join(f"/etc/{number}: x" for number in range(count))
        return calls_of(lambda: read(*targets, files=files))

    work(1)  # the schema is read once
    assert grows_steadily(work, 100, 800)
