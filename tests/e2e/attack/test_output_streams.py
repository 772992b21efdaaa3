"""Output that nobody can read: no traceback, an honest exit code, and the work goes on."""

import subprocess

import pytest
from lab import Lab

pytestmark = [pytest.mark.root, pytest.mark.guest]

MANIFEST = "vms: {web: {image: tiny, memory: 128MiB, disk: 64MiB}}"


def run(lab: Lab, words: str, redirection: str) -> tuple[int, str]:
    """A command with a shell's redirection; its exit code and what it said on standard error, if anywhere."""
    line = f"{' '.join(lab.command())} {words} {redirection}"
    with lab.net.inside():
        done = subprocess.run(
            ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"],
            cwd=lab.project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    return done.returncode, done.stderr


@pytest.mark.parametrize("words", ["ps", "plan", "ps --json", "version", "--version", "--help"])
def test_a_listing_without_a_reader(lab: Lab, words: str) -> None:
    lab.write(MANIFEST)
    assert run(lab, words, ">/dev/full") == (1, "vmm: cannot write the output: No space left on device\n")
    assert run(lab, words, "| head -c0")[0] == 0
    code, said = run(lab, words, ">&-")
    assert code == 0
    assert "unexpected" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", ">&- 2>&- <&-"])
def test_a_mistake_keeps_its_code_where_nobody_reads_the_words(lab: Lab, redirection: str) -> None:
    lab.write(MANIFEST)
    assert run(lab, "up nope", redirection)[0] == 64


@pytest.mark.parametrize("words", ["up --no-wait", "--log-format json up --no-wait"])
def test_the_work_goes_on_without_a_reader(lab: Lab, words: str) -> None:
    lab.write(MANIFEST)
    before = lab.traces()
    assert run(lab, words, "2>/dev/full")[0] == 0
    assert lab.plan()["changes"] == []
    assert run(lab, "down", "2>&1 | head -c0")[0] == 0
    assert lab.traces() == before


@pytest.mark.parametrize("words", ["up --timeout nan", "up --timeout inf", "down --grace nan"])
def test_a_time_is_a_number(lab: Lab, words: str) -> None:
    lab.write(MANIFEST)
    code, said = run(lab, words, "")
    assert code == 64
    assert "is no number of seconds" in said
