"""A packed listing says what was put into it, as a dict would, in far fewer bytes."""

import stat
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmmcompose.guest.listing import Entry
from vmmcompose.guest.packed import Packed

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=()), min_size=1, max_size=4)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
ENTRIES = st.builds(
    Entry,
    st.integers(0, 0xFFFF),
    st.integers(0, 2**62 - 1),
    st.integers(-(10**9) * 2**40, 10**9 * 2**40),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=4),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**63 - 1),
)


@given(st.lists(st.tuples(PATHS, ENTRIES | st.none())))
def test_it_is_a_dict_of_entries(steps: list[tuple[str, Entry | None]]) -> None:
    packed, plain = Packed(), dict[str, Entry]()
    for path, entry in steps:
        try:
            path.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:  # no name of a file
            continue
        if entry is None:
            assert packed.drop(path) is (plain.pop(path, None) is not None)
        else:
            assert packed.put(path, entry) is (plain.get(path) != entry)
            plain[path] = entry
        assert packed == plain
        assert len(packed) == len(plain)
        assert (path in packed) is (path in plain)
    for folder in {path.rpartition("/")[0] for path in plain}:
        assert sorted(packed.inside(folder)) == sorted(
            path for path in plain if path.rpartition("/")[0] == folder
        )


def test_times_beyond_what_64_bits_of_nanoseconds_tell() -> None:
    late = Entry(stat.S_IFREG, 0, 16_000_000_000 * 10**9 + 7)
    packed = Packed({"a": late, "l": Entry(stat.S_IFLNK, 1, -1, target="\udcff/x")})
    assert packed["a"] == late
    assert (packed["l"].target, packed["l"].mtime_ns) == ("\udcff/x", -1)


def test_what_was_never_put_is_missing() -> None:
    packed = Packed({"a/b": Entry(0, 0, 0)})
    for path in ("a", "b", "a/c", "a/b/c", ""):
        assert path not in packed
        assert packed.get(path) is None
        with pytest.raises(KeyError):
            packed[path]


def test_a_folder_is_listed_without_what_is_below_it() -> None:
    packed = Packed(dict.fromkeys(("a", "a/b", "a/b/c", "ab"), Entry(0, 0, 0)))
    assert sorted(packed.inside("")) == ["a", "ab"]
    assert packed.inside("a") == ["a/b"]
    assert all(above != below for above, below in pairwise(sorted(packed)))
