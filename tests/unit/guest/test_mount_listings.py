"""Two looks at a mount: what a guest prints is read, and who changed what is told."""

import stat

import pytest

from vmmcompose.guest.listing import Entry, NotAListing, differences, parse_listing
from vmmcompose.model.mountsync import Difference

TOKEN = "00ff00ff00ff00ff"
SECOND = 1_000_000_000


def file(size: int = 1, mtime: float = 5, mode: int = 0o644, uid: int = 0) -> Entry:
    return Entry(stat.S_IFREG | mode, size, int(mtime * SECOND), uid, ctime_ns=int(mtime * SECOND))


def folder(mode: int = 0o755) -> Entry:
    return Entry(stat.S_IFDIR | mode, 4096, 0)


def link(target: str) -> Entry:
    return Entry(stat.S_IFLNK | 0o777, 1, 0, target=target)


def test_a_listing_is_read_whatever_the_names_are() -> None:
    records = (
        f"{TOKEN} 41ed 4096 7 0 0 .\n"
        f"{TOKEN} 81a4 12 7 1000 33 ./a b\nc 41ed 1 1 0 0 ./x\n"
        f"{TOKEN} a1ff 6 7 0 0 ./l -> m{TOKEN}'./l -> m' -> 'it's'\n"
        f"{TOKEN} a1ff 6 7 0 0 ./plain{TOKEN}./plain -> n\n"
    )
    wanted = {
        "a b\nc 41ed 1 1 0 0 ./x": Entry(0o100644, 12, 7 * SECOND, 1000, 33),
        "l -> m": Entry(0o120777, 6, 7 * SECOND, target="it's"),
        "plain": Entry(0o120777, 6, 7 * SECOND, target="n"),
    }
    for size in (1, 2, 7, 1000):  # it comes in pieces
        data = records.encode()
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert dict(parse_listing(pieces, TOKEN)) == wanted


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", "a//b", "./", "a/.", "a/"])
def test_names_that_lead_elsewhere_are_nobodys(name: str) -> None:
    assert list(parse_listing([f"{TOKEN} 81a4 1 1 0 0 {name}\n".encode()], TOKEN)) == []


@pytest.mark.parametrize(
    "record",
    [
        "81a4 one 1 0 0 ./x",
        "81a4 1",
        "a1ff 1 1 0 0 ./l",
        "",
        "181a4 1 1 0 0 ./x",
        "-1 1 1 0 0 ./x",
        f"81a4 1 1 {1 << 32} 0 ./x",
        "81a4 1 1 0 -1 ./x",
        f"81a4 1 1 0 0 ./{'x' * (1 << 20)}",
    ],
)
def test_what_is_no_listing_is_refused(record: str) -> None:
    with pytest.raises(NotAListing):
        list(parse_listing([f"{TOKEN} {record}\n".encode()], TOKEN))


@pytest.mark.parametrize(
    ("host", "guest", "base", "told"),
    [
        (file(), file(), file(), None),
        (file(mtime=5.7), file(mtime=5), file(mtime=5.7), None),
        (file(2, 9), file(), file(), ("changed", "")),
        (file(), file(2, 9), file(), ("", "changed")),
        (file(2, 9), file(3, 9), file(), ("changed", "changed")),
        (file(2, 9), file(2, 9), file(), ("changed", "")),
        (file(1, 5.5), file(), file(1, 5.2), ("changed", "")),
        (None, file(), file(), ("deleted", "")),
        (None, file(2, 9), file(), ("deleted", "changed")),
        (None, file(), None, ("", "added")),
        (file(), None, None, ("added", "")),
        (file(), None, file(), ("", "deleted")),
        (file(2, 9), None, file(), ("changed", "deleted")),
        (file(), file(2, 9), None, ("added", "added")),
        (folder(), folder(), folder(), None),
        (folder(0o700), folder(), folder(), ("changed", "")),
        (folder(), file(), folder(), ("", "changed")),
        (link("a"), link("b"), link("a"), ("", "changed")),
        (link("a"), link("a"), None, None),
        (file(uid=1), file(), file(uid=1), None),
        (file(mode=0o4755), file(mode=0o755), file(mode=0o4755), None),
        (file(mode=0o755), file(mode=0o644), file(mode=0o755), ("", "changed")),
    ],
)
def test_who_changed_it(
    host: Entry | None, guest: Entry | None, base: Entry | None, told: tuple[str, str] | None
) -> None:
    def at(entry: Entry | None) -> dict[str, Entry]:
        return {} if entry is None else {"p": entry}

    found = differences(at(host), at(guest), at(base), exact=False)
    assert [(one.host, one.guest) for one in found] == ([] if told is None else [told])


def test_what_only_goes_to_the_guest_counts_where_it_is_asked_for() -> None:
    owner = differences({"p": file(uid=1)}, {"p": file()}, {}, exact=True)
    bits = differences({"p": file(mode=0o4755)}, {"p": file(mode=0o755)}, {}, exact=True)
    assert owner == bits == (Difference("p", "added", "added"),)


def test_a_file_too_young_to_tell_is_sent_to_be_sure_and_not_shown() -> None:
    young = {"p": file()._replace(ctime_ns=0)}
    assert differences({"p": file()}, {"p": file()}, young, exact=False) == (Difference("p", "changed", ""),)
    assert differences({"p": file()}, {"p": file()}, young, exact=False, sure=False) == ()
    edited = {"p": file(1, 5.5)}
    assert differences(edited, {"p": file()}, young, exact=False, sure=False) == (
        Difference("p", "changed", ""),
    )
