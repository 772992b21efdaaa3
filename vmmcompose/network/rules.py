"""Our iptables rules as a function of the records, and the text that turns what is into what should be.

Own chains hold everything; a few jumps lead to them. The whole content is swapped in with one
`iptables-restore --noflush`, so there is never a half-written rule set and never a rule to search for.
Rule texts are spelled exactly as `iptables-save` prints them: comparing is equality.
`docs/network.md` says what each rule is for.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

from vmmcompose.model.desired import Forward
from vmmcompose.model.observed import Rule, RuleSet
from vmmcompose.model.record import Record
from vmmcompose.model.settings import Settings
from vmmcompose.network.addresses import ANY_ADDRESS, network_of

DEFAULT_BRIDGE = Settings().bridge_name
ACTIVE = ("starting", "running", "paused")
"""States of a record whose forwards are in force."""
COMMENT_LIMIT = 200
"""Bytes of a rule's comment; the xt_comment extension takes 255 with the closing NUL."""


@dataclass(frozen=True, slots=True)
class ChainNames:
    """Names of our chains, 28 bytes at most (XT_EXTENSION_MAXNAMELEN - 1)."""

    pre: str
    """nat: forwards, before routing and for the host's own packets."""
    post: str
    """nat: source addresses of what leaves."""
    fwd: str
    """filter: what may pass the host."""
    raw: str
    """raw: keeps guests away from the host's loopback addresses."""

    def own(self) -> tuple[tuple[str, str], ...]:
        """(table, chain), sorted."""
        return (("filter", self.fwd), ("nat", self.post), ("nat", self.pre), ("raw", self.raw))


def chain_names(settings: Settings) -> ChainNames:
    """The chains of one bridge; another bridge than the default has its name in them, so two never meet."""
    suffix = "" if settings.bridge_name == DEFAULT_BRIDGE else f"-{settings.bridge_name}"
    return ChainNames(f"VMM-PRE{suffix}", f"VMM-POST{suffix}", f"VMM-FWD{suffix}", f"VMM-RAW{suffix}")


def wanted_rules(records: Iterable[Record], settings: Settings) -> RuleSet:
    """The whole rule set for these records: empty without records, forwards only of VMs that (shall) run."""
    known = tuple(records)
    if not known:
        return RuleSet()
    names = chain_names(settings)
    rules = (
        *(Rule("filter", names.fwd, text) for text in _passing(settings)),
        *(Rule("nat", names.post, text) for text in _masquerading(settings)),
        *(Rule("nat", names.pre, text) for text in _forwards(known)),
        Rule("raw", names.raw, f"-d 127.0.0.0/8 -i {settings.bridge_name} -j DROP"),
    )
    return RuleSet(chains=names.own(), rules=rules, jumps=_jumps(names))


def _jumps(names: ChainNames) -> tuple[Rule, ...]:
    return (
        Rule("filter", "FORWARD", f"-j {names.fwd}"),
        Rule("nat", "OUTPUT", f"-m addrtype --dst-type LOCAL -j {names.pre}"),
        Rule("nat", "POSTROUTING", f"-j {names.post}"),
        Rule("nat", "PREROUTING", f"-m addrtype --dst-type LOCAL -j {names.pre}"),
        Rule("raw", "PREROUTING", f"-j {names.raw}"),
    )


def _passing(settings: Settings) -> tuple[str, ...]:
    bridge = settings.bridge_name
    return (
        f"-o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        f"-o {bridge} -m conntrack --ctstate DNAT -j ACCEPT",
        f"-i {bridge} ! -o {bridge} -j ACCEPT",
        f"-i {bridge} -o {bridge} -j ACCEPT",
    )


def _masquerading(settings: Settings) -> tuple[str, ...]:
    subnet, bridge = network_of(settings.subnet), settings.bridge_name
    return (
        f"-s {subnet} ! -o {bridge} -j MASQUERADE",
        f"-s 127.0.0.0/8 -o {bridge} -j MASQUERADE",
        f"-s {subnet} -o {bridge} -m conntrack --ctstate DNAT -j MASQUERADE",
    )


def _forwards(records: Iterable[Record]) -> list[str]:
    entries = [
        (forward, record) for record in records if record.state in ACTIVE for forward in record.spec.forwards
    ]
    return [_forward(forward, record) for forward, record in sorted(entries, key=_forward_order)]


def _forward_order(entry: tuple[Forward, Record]) -> tuple[str, int, bool, int, int, str]:
    forward, record = entry
    bind = bind_address(forward)
    number = int(IPv4Address(bind)) if bind else 0
    return forward.protocol, forward.host, not bind, number, forward.guest, record.spec.id


def bind_address(forward: Forward) -> str:
    """The host address a forward is limited to; empty for every address."""
    return "" if forward.bind == ANY_ADDRESS else forward.bind


def _forward(forward: Forward, record: Record) -> str:
    bind = bind_address(forward)
    spec, protocol = record.spec, forward.protocol
    comment = f"vmm:{spec.id}:{spec.name}"[:COMMENT_LIMIT]
    return (
        (f"-d {IPv4Address(bind)}/32 " if bind else "")
        + f"-p {protocol} -m {protocol} --dport {forward.host}"
        + f' -m comment --comment "{comment}"'
        + f" -j DNAT --to-destination {spec.ip}:{forward.guest}"
    )


def restore_text(wanted: RuleSet, observed: RuleSet) -> str:
    """Input of one `iptables-restore --noflush` that makes `observed` into `wanted`; empty when they agree.

    Only tables with a difference are named, and in them only our chains and the jumps to them.
    """
    tables = sorted(
        {table for table, _ in (*wanted.chains, *observed.chains)} | {j.table for j in observed.jumps}
    )
    return "".join(_table_text(table, wanted, observed) for table in tables)


def _table_text(table: str, wanted: RuleSet, observed: RuleSet) -> str:
    old, new = _only(table, observed), _only(table, wanted)
    if old == new:
        return ""
    gone = [chain for _, chain in old.chains if (table, chain) not in new.chains]
    flush = sorted({chain for _, chain in (*old.chains, *new.chains)})
    lines = [f"*{table}", *(f":{chain} - [0:0]" for chain in flush)]
    lines += [f"-A {rule.chain} {rule.text}" for rule in new.rules]
    lines += _jump_lines(old, new)
    lines += [f"-X {chain}" for chain in gone]
    return "\n".join([*lines, "COMMIT", ""])


def _only(table: str, rules: RuleSet) -> RuleSet:
    return RuleSet(
        chains=tuple(chain for chain in rules.chains if chain[0] == table),
        rules=tuple(rule for rule in rules.rules if rule.table == table),
        jumps=tuple(jump for jump in rules.jumps if jump.table == table),
        forward_first=rules.forward_first or table != "filter",
    )


def _jump_lines(old: RuleSet, new: RuleSet) -> list[str]:
    """Deletes jumps that are wrong, double or in the wrong place, then puts the missing ones in front.

    `-D` takes the first match, so of a double the one in the better place would go: both go, one comes back.
    """
    lines, kept = [], set()
    for jump, count in Counter(old.jumps).items():
        misplaced = jump.chain == "FORWARD" and not old.forward_first
        if count == 1 and jump in new.jumps and not misplaced:
            kept.add(jump)
        else:
            lines += [f"-D {jump.chain} {jump.text}"] * count
    return lines + [f"-I {jump.chain} 1 {jump.text}" for jump in new.jumps if jump not in kept]
