"""Showing and following logs: tails, prefixes, truncation, replacement, and no steering of the terminal."""

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vmmcompose.cli.follow import Printer, Source, show, tail_offset

ROOT = Path(__file__).parents[3]


def printed(*sources: Source, lines: int | None = None, clean: bool = False) -> str:
    out = io.BytesIO()
    show(sources, lines=lines, follow=False, out=out, clean=clean, color=False)
    return out.getvalue().decode()


@pytest.mark.parametrize(
    ("text", "lines", "expected"),
    [
        (b"a\nb\nc\n", 2, b"b\nc\n"),
        (b"a\nb\nc", 2, b"b\nc"),
        (b"a\nb\nc\n", 0, b""),
        (b"a\nb\n", 9, b"a\nb\n"),
        (b"", 3, b""),
        (b"\n\n\n", 1, b"\n"),
        (b"x" * 70000 + b"\n" + b"y" * 70000 + b"\nz\n", 2, b"y" * 70000 + b"\nz\n"),
    ],
)
def test_tail(text: bytes, lines: int, expected: bytes) -> None:
    file = io.BytesIO(text)
    file.seek(tail_offset(file, lines))
    assert file.read() == expected


def test_several_sources_carry_names(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one\r\ntwo")
    (tmp_path / "b").write_bytes(b"three\n")
    text = printed(Source("web", str(tmp_path / "a")), Source("database", str(tmp_path / "b")))
    assert text == "web      | one\nweb      | two\ndatabase | three\n"


def test_a_missing_file_is_silent(tmp_path: Path) -> None:
    assert printed(Source("web", str(tmp_path / "none"))) == ""


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"\x1b[31mred\x1b[0m\n", b"\x1b[31mred\x1b[0m\n"),
        (b"\x1b[2J\x1b[Hcleared\n", b"cleared\n"),
        (b"\x1b]0;title\x07text\n", b"text\n"),
        (b"\x1b]52;c;aGk=\x1b\\text\n", b"text\n"),
        (b"\x1bP+q\x1b\\x\n", b"x\n"),
        (b"\x1b[6n\x1b[?1049h\x1bcx\n", b"x\n"),
        (b"bell\x07 back\x08space tab\tok\n", b"bell backspace tab\tok\n"),
        (b"over\rwrite\r\n", b"overwrite\r\n"),
        ("\u009b2Jx \u00e4\n".encode(), "2Jx \u00e4\n".encode()),
        (b"cut off \x1b", b"cut off "),
        (b"cut off \x1b[3", b"cut off [3"),
    ],
)
def test_a_guest_cannot_steer_the_terminal(raw: bytes, shown: bytes) -> None:
    out = io.BytesIO()
    Printer(out, clean=True).write(Source("web", "x"), raw, whole=False)
    assert out.getvalue() == shown


def test_an_endless_line_of_many_is_printed_in_pieces() -> None:
    out = io.BytesIO()
    printer = Printer(out, clean=False)
    printer.name_all(["a", "b"])
    source = Source("a", "x")
    for _ in range(20):
        printer.write(source, b"x" * 10000, whole=False)
    assert len(source.rest) < 70000
    assert out.getvalue().startswith(b"a | xxx")


class Follower:
    """A process that follows files, as `vmm logs -f` does."""

    def __init__(self, *paths: Path) -> None:
        code = (
            "import sys; from vmmcompose.cli.follow import Source, show\n"
            "from vmmcompose.cli.failures import guard\n"
            "sources = [Source(p[-1], p) for p in sys.argv[1:]]\n"
            "run = lambda: show(sources, lines=None, follow=True, out=sys.stdout.buffer, clean=False, color=False)\n"
            "sys.exit(guard(run, debug=lambda: False, as_json=lambda: False))"
        )
        self.child = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, paths)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )
        assert self.child.stdout is not None
        os.set_blocking(self.child.stdout.fileno(), False)
        self.seen = b""

    def expect(self, text: bytes) -> None:
        assert self.child.stdout is not None
        end = time.monotonic() + 20
        while text not in self.seen:
            assert time.monotonic() < end, f"waited for {text!r}, saw {self.seen!r}"
            self.seen += self.child.stdout.read() or b""
            time.sleep(0.02)

    def interrupt(self) -> tuple[int, bytes]:
        self.child.send_signal(2)
        _, said = self.child.communicate(timeout=20)
        return self.child.returncode, said


def test_following_survives_truncation_and_replacement(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    follower = Follower(log)
    log.write_bytes(b"first\n")
    follower.expect(b"first\n")
    with log.open("ab") as file:
        file.write(b"second\n")
    follower.expect(b"second\n")
    log.write_bytes(b"3\n")  # shorter: emptied and begun anew
    follower.expect(b"3\n")
    (tmp_path / "new").write_bytes(b"fourth, in another file\n")
    (tmp_path / "new").rename(log)
    follower.expect(b"fourth, in another file\n")
    log.unlink()
    log.write_bytes(b"fifth\n")
    follower.expect(b"fifth\n")
    code, said = follower.interrupt()
    assert code == 130
    assert b"Traceback" not in said
    assert follower.seen == b"first\nsecond\n3\nfourth, in another file\nfifth\n"


def test_a_log_that_was_read_at_once_and_emptied_shows_what_is_new(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_bytes(b"long gone\n")
    follower = Follower(log)
    follower.expect(b"long gone\n")
    log.write_bytes(b"new\n")
    follower.expect(b"new\n")
    assert follower.interrupt()[0] == 130
    assert follower.seen == b"long gone\nnew\n"


def test_following_several_interleaves_whole_lines(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    follower = Follower(a, b)
    a.write_bytes(b"half ")
    b.write_bytes(b"whole\n")
    follower.expect(b"b | whole\n")
    with a.open("ab") as file:
        file.write(b"and half\n")
    follower.expect(b"a | half and half\n")
    assert follower.interrupt()[0] == 130
