"""The door to iptables: one `iptables-save` to see, one `iptables-restore` to change."""

from dataclasses import dataclass

from vmmcompose.errors import HostError, HostUnfit
from vmmcompose.host.netcommand import find_tool, run_tool
from vmmcompose.model.observed import RuleSet
from vmmcompose.model.settings import Settings
from vmmcompose.network.rules import restore_text
from vmmcompose.network.saved import has_rules, parse_save

_REFUSED = ("permission denied", "operation not permitted", "must be root")
LOCK_WAIT_S = 5
"""How long `iptables-restore` waits for the lock of iptables-legacy (/run/xtables.lock)."""


@dataclass(frozen=True, slots=True)
class Flavour:
    """Which iptables the PATH leads to. With both in use, both drop and both rewrite."""

    version: str
    """As it says itself: `1.8.9 (nf_tables)`."""
    other_in_use: bool
    """The other flavour (legacy or nf_tables) holds rules too."""


def read_rules(settings: Settings) -> RuleSet | None:
    """What of the rules is ours; None where this user may not see them. One child process.

    Raises:
        HostUnfit: iptables is not installed.
        HostError: it failed.
    """
    done = run_tool("iptables-save")
    if done.returncode == 0:
        return parse_save(done.stdout, settings)
    complaint = done.stderr.strip()
    if any(words in complaint.lower() for words in _REFUSED):
        return None
    raise HostError(f"iptables-save failed: {complaint}", hint="see whether `iptables -S` works")


def write_rules(wanted: RuleSet, observed: RuleSet) -> None:
    """Turns the observed rules into the wanted ones with one `iptables-restore`, or does nothing.

    Raises:
        HostUnfit: iptables is not installed.
        HostError: it was refused; the table it failed in is as before.
    """
    text = restore_text(wanted, observed)
    if not text:
        return
    done = run_tool("iptables-restore", "--noflush", "-w", str(LOCK_WAIT_S), text=text)
    if done.returncode != 0:
        complaint = " ".join(done.stderr.split())
        hint = (
            "see whether the kernel has nat, conntrack, addrtype and comment matches; `vmm doctor` tells more"
        )
        raise HostError(f"iptables-restore refused the rules: {complaint}", hint=hint)


def flavour() -> Flavour:
    """Which flavour is in use, for `vmm doctor`.

    Raises:
        HostUnfit: iptables is not installed.
    """
    version = run_tool("iptables", "--version").stdout.strip().removeprefix("iptables v")
    other = "iptables-legacy-save" if "nf_tables" in version else "iptables-nft-save"
    try:
        find_tool(other)
    except HostUnfit:
        return Flavour(version, other_in_use=False)
    return Flavour(version, other_in_use=has_rules(run_tool(other).stdout))
