"""Rules against a small interpreter of `iptables-restore --noflush`."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netlab import record_of

from vmmcompose.model.desired import Forward
from vmmcompose.model.observed import RuleSet
from vmmcompose.model.record import Record, State
from vmmcompose.model.settings import Settings
from vmmcompose.network.rules import chain_names, restore_text, wanted_rules
from vmmcompose.network.saved import parse_save, rule_differences

SETTINGS = Settings()
OTHER = Settings(bridge_name="vmm-very-long-b", subnet="10.9.0.0/24", gateway="10.9.0.1")
WEB = record_of("web", "172.16.0.2", Forward(8080, 80), Forward(5353, 53, "udp"))
DB = record_of("db", "172.16.0.3", Forward(8080, 5432, bind="127.0.0.1"))
BUILT_IN = {
    "nat": ("PREROUTING", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD"),
    "raw": ("PREROUTING",),
}

Tables = dict[str, dict[str, list[str]]]


def empty() -> Tables:
    return {table: {chain: [] for chain in chains} for table, chains in BUILT_IN.items()}


def restore(tables: Tables, text: str) -> None:
    """What `iptables-restore --noflush` does, as far as it is used."""
    chains: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("*"):
            chains = tables[line[1:]]
            continue
        if line == "COMMIT":
            continue
        command, chain, *rest = line.split(" ", 2)
        if command.startswith(":"):
            chains[command[1:]] = []
        elif command == "-X":
            assert not chains.pop(chain), "a chain with rules cannot be deleted"
            users = [rule for rules in chains.values() for rule in rules if rule.split()[-1] == chain]
            assert not users, "a chain in use cannot be deleted"
        elif command == "-A":
            chains[chain].append(rest[0])
        elif command == "-D":
            chains[chain].remove(rest[0])
        else:
            assert command == "-I"
            position, rule = rest[0].split(" ", 1)
            assert position == "1"
            chains[chain].insert(0, rule)


def save(tables: Tables) -> str:
    lines = []
    for table, chains in tables.items():
        lines += ["# a comment", f"*{table}"]
        lines += [f":{chain} {'ACCEPT' if chain in BUILT_IN[table] else '-'} [0:0]" for chain in chains]
        lines += [f"-A {chain} {rule}" for chain, rules in chains.items() for rule in rules]
        lines.append("COMMIT")
    return "\n".join(lines) + "\n"


def foreign(tables: Tables) -> list[tuple[str, str, str]]:
    return [
        (table, chain, rule)
        for table, chains in tables.items()
        for chain, rules in chains.items()
        for rule in rules
        if "VMM-" not in chain + rule
    ]


PLANTED = st.lists(
    st.sampled_from(
        [
            ("filter", "FORWARD", "-j VMM-FWD"),
            ("filter", "FORWARD", "-s 10.0.0.1/32 -j VMM-FWD"),
            ("filter", "FORWARD", "-j VMM-FWD-vmm-very-long-b"),
            ("filter", "FORWARD", "-j ACCEPT"),
            ("filter", "INPUT", "-g VMM-FWD"),
            ("filter", "VMM-FWD", "-j DROP"),
            ("nat", "OUTPUT", "-m addrtype --dst-type LOCAL -j VMM-PRE"),
            ("nat", "OUTPUT", "-j RETURN"),
            ("nat", "POSTROUTING", "-j VMM-PRE"),
            ("nat", "VMM-PRE", "-p tcp -m tcp --dport 1 -j RETURN"),
            ("raw", "PREROUTING", "-j DROP"),
        ]
    ),
    max_size=8,
)
RECORDS = st.lists(
    st.sampled_from([WEB, DB, replace(WEB, state="stopped")]), max_size=3, unique_by=lambda r: r.spec.id
)


@settings(max_examples=300)
@given(RECORDS, RECORDS, PLANTED, st.booleans())
def test_from_any_state_to_the_wanted_one(
    before: list[Record], after: list[Record], planted: list[tuple[str, str, str]], front: bool
) -> None:
    tables = empty()
    restore(tables, restore_text(wanted_rules(before, SETTINGS), RuleSet()))
    for table, chain, rule in planted:
        rules = tables[table].setdefault(chain, [])
        rules.insert(0 if front else len(rules), rule)
    theirs = foreign(tables)
    wanted, observed = wanted_rules(after, SETTINGS), parse_save(save(tables), SETTINGS)
    text = restore_text(wanted, observed)
    assert bool(text) == bool(rule_differences(wanted, observed))
    restore(tables, text)
    seen = parse_save(save(tables), SETTINGS)
    assert seen == wanted
    assert restore_text(wanted, seen) == ""
    assert foreign(tables) == theirs


def test_two_bridges_share_no_chain_and_no_rule() -> None:
    tables = empty()
    restore(tables, restore_text(wanted_rules([WEB], SETTINGS), RuleSet()))
    restore(tables, restore_text(wanted_rules([DB], OTHER), RuleSet()))
    assert parse_save(save(tables), SETTINGS) == wanted_rules([WEB], SETTINGS)
    assert parse_save(save(tables), OTHER) == wanted_rules([DB], OTHER)
    assert not {chain for _, chain in chain_names(SETTINGS).own()} & {
        chain for _, chain in chain_names(OTHER).own()
    }


def test_chain_names_fit_the_kernel() -> None:
    names = [chain for _, chain in chain_names(OTHER).own()]
    assert max(map(len, names)) <= 28
    assert [chain for _, chain in chain_names(SETTINGS).own()] == [
        "VMM-FWD",
        "VMM-POST",
        "VMM-PRE",
        "VMM-RAW",
    ]


@pytest.mark.parametrize("state", ["creating", "stopping", "stopped", "deleting"])
def test_forwards_only_of_vms_that_run(state: State) -> None:
    rules = wanted_rules([replace(WEB, state=state)], SETTINGS)
    assert rules.chains
    assert "DNAT --to-destination" not in str(rules)


def test_no_records_no_rules() -> None:
    assert wanted_rules([], SETTINGS) == RuleSet()
    assert restore_text(RuleSet(), RuleSet()) == ""


def test_forwards_are_ordered_the_specific_address_first_whatever_the_order_of_records() -> None:
    one = wanted_rules([WEB, DB], SETTINGS)
    assert one == wanted_rules([DB, WEB], SETTINGS)
    assert [rule.text.split(" -m comment")[0] for rule in one.rules if rule.chain == "VMM-PRE"] == [
        "-d 127.0.0.1/32 -p tcp -m tcp --dport 8080",
        "-p tcp -m tcp --dport 8080",
        "-p udp -m udp --dport 5353",
    ]


def test_a_bind_to_every_address_is_no_bind() -> None:
    everywhere = record_of("web", "172.16.0.2", Forward(8080, 80, bind="0.0.0.0"))
    plain = record_of("web", "172.16.0.2", Forward(8080, 80))
    assert wanted_rules([everywhere], SETTINGS) == wanted_rules([plain], SETTINGS)


def test_counters_and_unquoted_comments_are_understood() -> None:
    wanted = wanted_rules([WEB], SETTINGS)
    tables = empty()
    restore(tables, restore_text(wanted, RuleSet()))
    text = save(tables).replace("\n-A ", "\n[12:3456] -A ").replace('"', "")
    assert parse_save(text, SETTINGS) == wanted


def words(observed: RuleSet, wanted: RuleSet) -> list[str]:
    return [reason.why for reason in rule_differences(wanted, observed)]


def test_differences_in_words() -> None:
    wanted = wanted_rules([WEB, DB], SETTINGS)
    without_web = wanted_rules([DB], SETTINGS)
    assert words(without_web, wanted) == [
        "forward 8080->shop-web:80 missing",
        "forward 5353->shop-web:53/udp missing",
    ]
    assert words(wanted, wanted_rules([WEB], SETTINGS)) == ["forward 127.0.0.1:8080->shop-db:5432 not wanted"]
    assert words(replace(wanted, forward_first=False), wanted) == ["jump to VMM-FWD not first in FORWARD"]
    assert words(replace(wanted, jumps=wanted.jumps[:-1]), wanted) == [
        "jump to VMM-RAW in PREROUTING of raw missing"
    ]
    assert words(replace(wanted, jumps=(*wanted.jumps, wanted.jumps[0])), wanted) == [
        "jump to VMM-FWD in FORWARD of filter double"
    ]
    shuffled = replace(wanted, rules=(wanted.rules[1], wanted.rules[0], *wanted.rules[2:]))
    assert words(shuffled, wanted) == ["rules of VMM-FWD in filter in another order or double"]
    assert words(RuleSet(), wanted)[:4] == [
        "chain VMM-FWD missing in filter",
        "chain VMM-POST missing in nat",
        "chain VMM-PRE missing in nat",
        "chain VMM-RAW missing in raw",
    ]
    assert "chain VMM-RAW in raw no longer wanted" in words(wanted, RuleSet())
