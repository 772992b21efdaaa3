"""How a guest finds itself and the other VMs of its project by name."""

import hashlib
import ipaddress

from vmmcompose.model.spec import VmSpec


def host_name(spec: VmSpec) -> str:
    """The guest's own host name."""
    return spec.hostname or spec.vm


def volume_label(volume: str) -> str:
    """The label by which a guest finds a volume: the 16 bytes that ext4 has for one, whatever its name's length."""
    return f"vmm-{hashlib.sha256(volume.encode()).hexdigest()[:12]}"


def fstab_path(path: str) -> str:
    """A path as fstab(5) and /proc/mounts have it: white space and backslashes in octal."""
    return "".join(f"\\{ord(letter):03o}" if letter in " \t\n\\" else letter for letter in path)


def hosts_file(spec: VmSpec) -> str:
    """/etc/hosts: localhost, the guest itself and every VM of its project by `<vm>` and `<vm>.<project>`.

    No name stands twice: a host name that is also another VM's short name keeps meaning that VM for all
    others, and this guest for itself, since the first line that has a name wins (hosts(5)).
    """
    lines = ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback"]
    taken = {"localhost"}
    own = (spec.vm, spec.ip)
    others = [peer for peer in spec.peers.entries if peer[0] != spec.vm]
    for vm, address in [own, *others]:
        names = [vm, f"{vm}.{spec.project}"] if spec.project else [vm]
        if vm == spec.vm:
            names.insert(0, host_name(spec))
        fresh = [name for name in dict.fromkeys(names) if name not in taken]
        taken.update(fresh)
        if fresh:
            lines.append(f"{address}\t{' '.join(fresh)}")
    return "\n".join(lines) + "\n"


def resolv_conf(spec: VmSpec) -> str:
    """/etc/resolv.conf: the declared name servers, else the host's, without those on the host's loopback.

    A stub such as 127.0.0.53 answers the host alone; in the guest that address is the guest.
    """
    servers = spec.dns or tuple(server for server in spec.resolvers if not _is_loopback(server))
    lines = [f"nameserver {server}" for server in servers] or ["# no name server is known"]
    return "\n".join(lines) + "\n"


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def netmask(prefix_len: int) -> str:
    """A prefix length in the dotted form that the kernel's `ip=` takes."""
    return str(ipaddress.ip_network((0, prefix_len)).netmask)


def command_line(spec: VmSpec, base: str) -> str:
    """The kernel's command line: the driver's `base`, root disk and address, then the user's `boot_args`.

    The user's come last because the kernel takes the last of two equal options
    (Documentation/admin-guide/nfs/nfsroot.rst describes `ip=`).
    """
    words = (
        base,
        "root=/dev/vda rw",
        f"ip={spec.ip}::{spec.gateway}:{netmask(spec.prefix_len)}:{host_name(spec)}:eth0:off",
        "net.ifnames=0",
        spec.boot_args,
    )
    return " ".join(word.strip() for word in words if word.strip())
