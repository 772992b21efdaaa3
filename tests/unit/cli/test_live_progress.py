"""Live progress fits small terminals and many VMs, and finishes each row once."""

import io
import re

import pytest
from rich.console import Console

from vmmcompose.cli.live import LiveSink
from vmmcompose.model.actions import CreateTap, StartVm, WaitVm
from vmmcompose.model.plan import Event, Plan, Step
from vmmcompose.model.spec import VmSpec


def spec(name: str) -> VmSpec:
    return VmSpec(
        f"p-{name}", "0123456789ab", "p", name, "qemu", "tiny", "default", "", 1, 64, 64, name, "10.0.0.2", 24,
        "10.0.0.1", "06:00:0a:00:00:02", "vmm-0123456789a",
    )  # fmt: skip


def steps(count: int) -> list[Step]:
    found = []
    for number in range(count):
        vm = spec(f"a-vm-with-a-rather-long-name-{number}")
        address = f"vm/{vm.vm}"
        found.append(Step(3 * number, address, CreateTap(vm)))
        found.append(Step(3 * number + 1, address, StartVm(vm)))
        found.append(Step(3 * number + 2, address, WaitVm(vm, 9)))
    return found


def sink(width: int, height: int) -> tuple[LiveSink, io.StringIO]:
    out = io.StringIO()
    return LiveSink(Console(file=out, force_terminal=True, width=width, height=height, highlight=False)), out


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


@pytest.mark.parametrize(("width", "height"), [(20, 5), (40, 10), (80, 24), (200, 60)])
def test_rows_fit_the_terminal(width: int, height: int) -> None:
    live, _ = sink(width, height)
    todo = steps(50)
    for step in todo:
        live.tell(Event(step, "started"))
    out = io.StringIO()
    Console(file=out, width=width, height=height, color_system=None).print(live)
    live.__exit__(None, None, None)
    lines = out.getvalue().splitlines()
    assert len(lines) < height
    assert max(map(len, lines)) <= width
    if height < 50:
        assert f"and {50 - (len(lines) - 1)} more" in lines[-1]


@pytest.mark.parametrize("planned", [True, False])
def test_each_row_is_finished_once(planned: bool) -> None:
    live, out = sink(80, 24)
    todo = steps(3)
    with live:
        if planned:
            live.planned(Plan("p", (), tuple(todo)))
        for step in todo:
            live.tell(Event(step, "started"))
            live.tell(Event(step, "done", seconds=1))
    text = plain(out.getvalue())
    for number in range(3):
        assert len(re.findall(rf"✓ a-vm-with-a-rather-long-name-{number}  ready", text)) == 1
    assert out.getvalue().endswith("\x1b[?25h") or "\x1b[?25h" in out.getvalue()


def test_failures_are_shown_whole_and_not_ticked_off() -> None:
    live, out = sink(30, 10)
    todo = steps(1)
    with live:
        live.tell(Event(todo[2], "started"))
        live.tell(Event(todo[2], "failed", "no answer", "last lines:\n  kernel panic", 9.0))
    text = plain(out.getvalue())
    assert "kernel panic" in text
    assert "no answer" in text.replace("\n", " ")
    assert "✓" not in text


def test_guest_text_is_not_taken_for_markup() -> None:
    live, out = sink(80, 10)
    todo = steps(1)
    with live:
        live.tell(Event(todo[2], "failed", "[bold]x[/bold] [/oops]", "[link=http://x]y", 1.0))
    assert "[bold]x[/bold] [/oops]" in plain(out.getvalue())
