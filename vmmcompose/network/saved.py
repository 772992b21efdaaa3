"""What `iptables-save` printed, reduced to what is ours, and the differences in words."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import takewhile

from vmmcompose.model.observed import Rule, RuleSet
from vmmcompose.model.plan import Reason
from vmmcompose.model.settings import Settings
from vmmcompose.network.rules import chain_names

_COUNTERS = re.compile(r"^\[\d+:\d+\] ")
_TARGET = re.compile(r"(?:^| )(?:-j|-g) (\S+)")
_BARE_COMMENT = re.compile(r'--comment (vmm:[^\s"]+)')
_FORWARD = re.compile(
    r'-p (\S+) .*--dport (\d+) .*--comment "vmm:[^:"]+:([^"]*)" .*--to-destination [^:]+:(\d+)'
)
_BIND = re.compile(r"^-d (\S+)/32 ")


def parse_save(text: str, settings: Settings) -> RuleSet:
    """What of an `iptables-save` is ours: chains of our names, their rules, and rules that lead to them."""
    names = chain_names(settings)
    own = frozenset(names.own())
    chains, rules, jumps = [], [], []
    forward: list[Rule] = []
    for table, line in _table_lines(text):
        if line.startswith(":"):
            chains.append((table, line[1:].split(" ", 1)[0]))
            continue
        rule = _rule(table, line)
        if rule is None:
            continue
        if (rule.table, rule.chain) == ("filter", "FORWARD"):
            forward.append(rule)
        if (rule.table, rule.chain) in own:
            rules.append(rule)
        elif (rule.table, _target(rule)) in own:
            jumps.append(rule)
    return RuleSet(
        chains=tuple(sorted(chain for chain in chains if chain in own)),
        rules=tuple(sorted(rules, key=lambda rule: (rule.table, rule.chain))),
        jumps=tuple(sorted(jumps, key=lambda rule: (rule.table, rule.chain, rule.text))),
        forward_first=_stands_first(forward, names.fwd),
    )


def _stands_first(forward: Sequence[Rule], own: str) -> bool:
    """Whether nothing decides about our packets before our jump; True where there is no such jump.

    Jumps of another bridge's vmm may stand before: its chain passes only its own packets on. Stray jumps to
    our chain do not count either way, as they are going to be deleted.
    """
    texts = [rule.text for rule in forward if rule.text == f"-j {own}" or _target(rule) != own]
    before = takewhile(lambda text: text != f"-j {own}", texts)
    return f"-j {own}" not in texts or all(re.fullmatch(r"-j VMM-FWD\S*", text) for text in before)


def has_rules(text: str) -> bool:
    """Whether an `iptables-save` holds any rule at all."""
    return any(line.startswith("-A ") for _, line in _table_lines(text))


def _table_lines(text: str) -> Iterator[tuple[str, str]]:
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line and not line.startswith("#"):
            yield table, _COUNTERS.sub("", line)


def _rule(table: str, line: str) -> Rule | None:
    if not line.startswith("-A "):
        return None
    _, chain, *rest = line.split(" ", 2)
    text = _BARE_COMMENT.sub(r'--comment "\1"', rest[0].rstrip()) if rest else ""
    return Rule(table, chain, text)


def _target(rule: Rule) -> str:
    targets = _TARGET.findall(rule.text)
    return str(targets[-1]) if targets else ""


def rule_differences(wanted: RuleSet, observed: RuleSet) -> tuple[Reason, ...]:
    """What `restore_text` would change, in words; empty exactly when it would change nothing."""
    lines = [
        f"chain {chain} missing in {table}"
        for table, chain in wanted.chains
        if (table, chain) not in observed.chains
    ]
    lines += [
        f"chain {chain} in {table} no longer wanted"
        for table, chain in observed.chains
        if (table, chain) not in wanted.chains
    ]
    lines += _content_differences(wanted, observed)
    lines += _jump_differences(wanted, observed)
    return tuple(Reason(why=line) for line in lines)


def _content_differences(wanted: RuleSet, observed: RuleSet) -> list[str]:
    lines: list[str] = []
    for table, chain in wanted.chains:
        if (table, chain) not in observed.chains:
            lines += [
                f"{words} missing"
                for rule in _content(wanted, table, chain)
                if (words := _forward_words(rule))
            ]
            continue
        want, have = _content(wanted, table, chain), _content(observed, table, chain)
        wanted_set, observed_set = set(want), set(have)
        missing = [rule for rule in want if rule not in observed_set]
        extra = [rule for rule in have if rule not in wanted_set]
        lines += [f"{_words(rule)} missing" for rule in missing]
        lines += [f"{_words(rule)} not wanted" for rule in extra]
        if want != have and not missing and not extra:
            lines.append(f"rules of {chain} in {table} in another order or double")
    return lines


def _content(rules: RuleSet, table: str, chain: str) -> list[Rule]:
    return [rule for rule in rules.rules if (rule.table, rule.chain) == (table, chain)]


def _words(rule: Rule) -> str:
    return _forward_words(rule) or f"rule '{rule.text}' of {rule.chain} in {rule.table}"


def _forward_words(rule: Rule) -> str:
    found = _FORWARD.search(rule.text)
    if not found:
        return ""
    protocol, port, name, guest = found.groups()
    bind = _BIND.match(rule.text)
    host = f"{bind.group(1)}:{port}" if bind else port
    suffix = "" if protocol == "tcp" else f"/{protocol}"
    return f"forward {host}->{name}:{guest}{suffix}"


def _jump_differences(wanted: RuleSet, observed: RuleSet) -> list[str]:
    lines = [f"{_jump_words(jump)} missing" for jump in wanted.jumps if jump not in observed.jumps]
    for jump, count in Counter(observed.jumps).items():
        if jump not in wanted.jumps:
            lines.append(f"{_jump_words(jump)} not wanted")
        elif count > 1:
            lines.append(f"{_jump_words(jump)} double")
    if wanted.jumps and not observed.forward_first:
        lines += [
            f"jump to {_target(jump)} not first in FORWARD"
            for jump in wanted.jumps
            if jump.chain == "FORWARD"
        ]
    return lines


def _jump_words(jump: Rule) -> str:
    return f"jump to {_target(jump)} in {jump.chain} of {jump.table}"
