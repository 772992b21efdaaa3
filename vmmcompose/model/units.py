"""What systemd units that start VMs have in common, whoever writes them."""

FIREWALLS = "firewalld.service ufw.service nftables.service netfilter-persistent.service docker.service"
"""They rewrite or flush rules when they start: ours come after them."""


def unit_word(text: str) -> str:
    """A word in a unit file: quoted, with specifiers taken literally (systemd.syntax(7))."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def command_line(words: tuple[str, ...]) -> str:
    """A program and its arguments in `ExecStart=` and the like, where `$` begins a variable (systemd.service(5))."""
    return " ".join(unit_word(word).replace("$", "$$") for word in words)
