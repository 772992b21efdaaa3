"""File names: all below the data folder, no two alike, and within what the kernel takes."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmmcompose.model.paths import LINK_LIMIT, SOCKET_LIMIT, Paths, tap_name

PATHS = Paths(PurePosixPath("/var/lib/vmm"))
IDS = st.text("0123456789abcdef", min_size=12, max_size=12)
VM_ID = "0123456789ab"
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
OF_A_VM = ("record", "vm_dir", "mount_dir", "logs", "known_hosts")


def test_a_socket_path_of_107_bytes_is_taken_and_one_of_108_is_not() -> None:
    room = SOCKET_LIMIT - len(f"/sockets/{VM_ID}.sock") - 1
    longest = Paths(PurePosixPath("/" + "d" * room))
    assert len(str(longest.socket(VM_ID)).encode()) == SOCKET_LIMIT
    with pytest.raises(ValueError, match="107 bytes"):
        Paths(PurePosixPath("/" + "d" * (room + 1))).socket(VM_ID)


def test_bytes_count_and_not_characters() -> None:
    with pytest.raises(ValueError, match="107 bytes"):
        Paths(PurePosixPath("/" + "é" * 60)).socket(VM_ID)


@given(IDS)
def test_a_tap_has_the_name_of_a_link(vm_id: str) -> None:
    assert len(tap_name(vm_id).encode()) <= LINK_LIMIT
    assert tap_name(vm_id).startswith("vmm-")


@given(NAMES)
def test_everything_of_a_vm_lies_below_the_data_folder_in_a_place_of_its_own(name: str) -> None:
    found = [getattr(PATHS, method)(name) for method in OF_A_VM]
    assert len(set(found)) == len(found)
    assert all(path.is_relative_to(PATHS.root) and path != PATHS.root for path in found)
    inside = [PATHS.disk(name), PATHS.disk_info(name), PATHS.secrets(name), PATHS.host_key(name)]
    assert len(set(inside)) == len(inside)
    assert all(path.parent == PATHS.vm_dir(name) for path in inside)


@given(NAMES, NAMES, NAMES, NAMES)
def test_mounts_of_different_vms_never_share_a_file(one: str, tag: str, other: str, another: str) -> None:
    """`a-b` with tag `c` and `a` with tag `b-c` are two files."""
    same = (one, tag) == (other, another)
    assert (PATHS.mount(one, tag) == PATHS.mount(other, another)) is same
    assert PATHS.mount(one, tag) != PATHS.mount_info(other, another)
