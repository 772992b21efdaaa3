"""Replicas to which the same happens are one block of text, in which nothing is missing."""

from hypothesis import given
from hypothesis import strategies as st

from vmmcompose.model.plan import Change, Plan, Reason
from vmmcompose.render.blocks import blocks, numbers_text
from vmmcompose.render.plan import render_plan

CPUS = Reason("cpus", "1", "2")


def restart(vm: str, *reasons: Reason) -> Change:
    return Change(f"vm/{vm}", "restart", reasons or (CPUS,))


def addresses(*changes: Change) -> list[str]:
    return [block.address for block in blocks(changes)]


def test_alike_changes_of_numbered_vms_are_one_block_in_the_order_of_the_numbers() -> None:
    changes = [restart(f"web-{number}") for number in (10, 1, 2, 3)]
    (block,) = blocks(changes)
    assert (block.address, block.count, block.lines) == ("vm/web-[1-3,10]", 4, ("cpus: 1 -> 2",))


def test_what_differs_stays_apart() -> None:
    other_value = restart("web-2", Reason("cpus", "1", "4"))
    other_kind = Change("vm/web-3", "replace", (CPUS,))
    assert addresses(restart("web-1"), other_value, other_kind) == ["vm/web-1", "vm/web-2", "vm/web-3"]
    assert addresses(restart("web-1"), restart("api-2")) == ["vm/api-2", "vm/web-1"]
    assert addresses(restart("web-01"), restart("web-02")) == ["vm/web-01", "vm/web-02"]
    assert addresses(restart("web"), restart("web-1")) == ["vm/web", "vm/web-1"]
    lost = [
        Change(f"vm/web-{n}", "replace", (CPUS,), f"what VM `web-{n}` wrote to mount m{n}") for n in (1, 2)
    ]
    assert addresses(*lost) == ["vm/web-1", "vm/web-2"]


def test_addresses_and_pids_are_all_named() -> None:
    changes = [
        Change(
            f"vm/web-{n}",
            "start",
            (
                Reason(why=f"its process (pid {4000 + n}) is gone"),
                Reason("ip", "", f"172.16.0.{n}"),
                Reason("ports", "", f"{8080 + n}->80"),
            ),
            f"the root disk of VM `web-{n}` (512 MiB)",
        )
        for n in (1, 2, 3)
    ]
    text = render_plan(Plan("shop", tuple(changes)))
    assert text == (
        "Plan for project shop:\n\n"
        "  ~ vm/web-[1-3]         start (3 VMs)\n"
        "        its process (pid 4001, 4002, 4003) is gone\n"
        "        ip: + 172.16.0.1, 172.16.0.2, 172.16.0.3\n"
        "        ports: + 8081->80, 8082->80, 8083->80\n"
        "      ! data is lost: the root disk of VM `web-[1-3]` (512 MiB)\n"
        "\nPlan: 3 VMs to start.\n"
    )


def test_fifty_replicas_fit_a_screen() -> None:
    changes = tuple(Change(f"vm/web-{n}", "create", (Reason("ip", "", f"10.0.0.{n}"),)) for n in range(1, 51))
    lines = render_plan(Plan("shop", changes)).splitlines()
    assert "  + vm/web-[1-50]        create (50 VMs)" in lines
    assert "        ip: + 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, …, 10.0.0.50" in lines


def test_lines_are_wrapped_where_there_is_a_width_and_no_word_is_lost() -> None:
    long = Reason("labels.note", "", " ".join(f"word{n}" for n in range(40)))
    plan = Plan("shop", (restart("web", long, Reason("kernel", "", "x" * 90)),))
    narrow = render_plan(plan, width=50)
    assert all(len(line) <= 50 or "x" * 90 in line for line in narrow.splitlines())
    assert narrow.split() == render_plan(plan).split()


@given(
    st.lists(
        st.tuples(st.sampled_from(("web", "a-b")), st.integers(0, 40), st.sampled_from("123"), st.booleans()),
        max_size=30,
        unique_by=lambda item: item[:2],
    )
)
def test_every_change_is_in_exactly_one_block(items: list[tuple[str, int, str, bool]]) -> None:
    changes = [
        Change(f"vm/{stem}-{number}", "restart", (Reason("cpus", "0", cpus),), "its disk" if lost else "")
        for stem, number, cpus, lost in items
    ]
    found = blocks(changes)
    assert sum(block.count for block in found) == len(changes)
    assert sum(block.count for block in found if block.data_loss) == sum(item[3] for item in items)
    assert blocks(reversed(changes)) == found


@given(st.sets(st.integers(0, 60)))
def test_numbers_in_short_are_all_the_numbers(numbers: set[int]) -> None:
    text = numbers_text(sorted(numbers))
    back = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        back |= set(range(int(first), int(last or first) + 1))
    assert back == numbers
