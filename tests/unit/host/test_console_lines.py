"""A guest's output must not reach a terminal as anything but plain lines."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmmcompose.host.console import CappedLog, clean, tail


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("one\r\n\r\n  two  \n", ["one", "  two"]),
        ("\x1b[1;32m[  OK  ]\x1b[0m Started", ["[  OK  ] Started"]),
        ("\x1b]0;evil title\x07shown", ["shown"]),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", ["link"]),
        ("\x1bc\x1b[2J\x1b(Bcleared", ["cleared"]),
        ("a\x00b\x08c\x7fd\x9be", ["abcde"]),
        ("progress 1%\rprogress 2%\rdone\n", ["progress 1%", "progress 2%", "done"]),
        ("x" * 300, ["x" * 199 + "…"]),
        ("tab\tstays", ["tab\tstays"]),
        ("half \x1b[", ["half"]),
        ("größer", ["größer"]),
    ],
)
def test_lines_are_plain(text: str, lines: list[str]) -> None:
    assert clean(text) == lines


@given(st.text(alphabet=st.characters(max_codepoint=0x2FF)))
def test_no_control_character_survives(text: str) -> None:
    for line in clean(text):
        assert all(char == "\t" or (char >= " " and not "\x7f" <= char <= "\x9f") for char in line)
        assert 0 < len(line) <= 200


def test_the_last_words_of_a_kernel_that_panicked_begin_with_the_reason(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    reason = "[    4.1] Kernel panic - not syncing: Attempted to kill init!"
    log.write_text("\n".join(["booting", reason, *(f"[    4.2]  trace {n}" for n in range(40))]))
    assert tail(log, 3) == [reason, "[    4.2]  trace 0", "[    4.2]  trace 1"]
    log.write_text(f"one\ntwo\n{reason}\nend")
    assert tail(log, 3) == ["two", reason, "end"]
    log.write_text("one\ntwo\nthree\nfour\n")
    assert tail(log, 3) == ["two", "three", "four"]


def test_a_full_log_begins_anew_and_keeps_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "provision.log"
    log = CappedLog(path, limit=20)
    for number in range(7):
        log.add(f"line {number}".encode())
    assert path.read_text() == "line 6\n"
    assert (tmp_path / "provision.log.1").read_text() == "line 3\nline 4\nline 5\n"
    assert path.stat().st_mode & 0o777 == 0o600
