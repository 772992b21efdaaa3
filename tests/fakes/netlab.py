"""A host with guests and an outside, each a network namespace of its own, joined by veth pairs.

outside 192.0.2.9 ── out0 192.0.2.1 [host] vmm-br0 172.16.0.1 ── g0, g1, … ── eth0 172.16.0.2, .3, … [guests]
"""

import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import PurePosixPath

from namespaces import Namespace

from vmmcompose.host import iptables, netlink, procnet
from vmmcompose.host.network import sync_network
from vmmcompose.model.desired import Forward
from vmmcompose.model.observed import HostFacts
from vmmcompose.model.paths import Paths, tap_name
from vmmcompose.model.plan import Reason
from vmmcompose.model.record import Record, State
from vmmcompose.model.settings import Settings
from vmmcompose.model.spec import VmSpec
from vmmcompose.network.addresses import mac_of, vm_id
from vmmcompose.network.compare import network_differences

HOST, OUTSIDE, GATEWAY = "192.0.2.1", "192.0.2.9", "172.16.0.1"
TIMEOUT_S = 3.0
"""How long a test waits for an answer that should come; what should be refused waits for `REFUSED_S`."""
REFUSED_S = 0.7


def spec_of(vm: str, ip: str, *ports: Forward, data_dir: str = "/var/lib/vmm") -> VmSpec:
    name = f"shop-{vm}"
    identity = vm_id(data_dir, name)
    return VmSpec(
        name=name, id=identity, project="shop", vm=vm, driver="qemu", image="tiny", kernel="default",
        boot_args="", cpus=1, memory_mib=64, disk_mib=64, hostname=vm, ip=ip, prefix_len=16, gateway=GATEWAY,
        mac=mac_of(ip), tap=tap_name(identity), ports=ports,
    )  # fmt: skip


def record_of(vm: str, ip: str, *ports: Forward, state: State = "running") -> Record:
    return Record(spec=spec_of(vm, ip, *ports), state=state)


def facts(settings: Settings) -> HostFacts:
    return HostFacts(
        ip_forward=procnet.forwarding(),
        route_localnet=procnet.route_localnet(settings.bridge_name),
        listeners=procnet.listeners(),
        networks=procnet.subnets_in_use(),
    )


def differences(records: list[Record], settings: Settings) -> tuple[Reason, ...]:
    """What the planner would see now."""
    rules = iptables.read_rules(settings)
    return network_differences(records, settings, netlink.read_links(), rules, facts(settings))


def host_paths(folder: object) -> tuple[Settings, Paths]:
    data_dir = str(folder)
    return Settings(data_dir=data_dir), Paths(PurePosixPath(data_dir))


class Server:
    """Answers `<name> <peer address>` to whoever connects, and echoes what follows; or the same over UDP."""

    def __init__(self, name: str, where: Namespace, port: int, *, bind: str = "", udp: bool = False) -> None:
        self.name = name
        with where.inside():
            kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
            self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((bind, port))
        if not udp:
            self.socket.listen()
        threading.Thread(target=self._answer if udp else self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, peer = self.socket.accept()
                threading.Thread(target=self._talk, args=(connection, peer[0]), daemon=True).start()

    def _talk(self, connection: socket.socket, peer: str) -> None:
        with connection, suppress(OSError):
            connection.sendall(f"{self.name} {peer}\n".encode())
            while data := connection.recv(4096):
                connection.sendall(data)

    def _answer(self) -> None:
        with suppress(OSError):
            while True:
                _, peer = self.socket.recvfrom(4096)
                if peer is None:  # the socket was shut down
                    return
                self.socket.sendto(f"{self.name} {peer[0]}\n".encode(), peer)


class Lab:
    """The host is the namespace the test runs in. Addresses of guests begin at 172.16.0.2."""

    def __init__(self, host: Namespace, folder: object) -> None:
        self.host = host
        self.settings, self.paths = host_paths(folder)
        self.guests: list[Namespace] = []
        self._stack = ExitStack()
        self.outside = self._stack.enter_context(Namespace())
        host.run(
            "ip", "link", "add", "out0", "type", "veth", "peer", "name", "eth0", "netns", self.outside.path
        )
        host.run("ip", "addr", "add", f"{HOST}/24", "dev", "out0")
        host.run("ip", "link", "set", "out0", "up")
        self.outside.run("ip", "addr", "add", f"{OUTSIDE}/24", "dev", "eth0")
        self.outside.run("ip", "link", "set", "eth0", "up")
        host.run("iptables", "-P", "FORWARD", "DROP")

    def close(self) -> None:
        self._stack.close()

    def sync(self, *records: Record) -> None:
        sync_network(records, self.settings, self.paths)

    def add_guest(self) -> Namespace:
        """A guest on the bridge, configured as a VM would be."""
        number = len(self.guests)
        guest = self._stack.enter_context(Namespace())
        self.guests.append(guest)
        ip = f"172.16.0.{number + 2}"
        self.host.run(
            "ip", "link", "add", f"g{number}", "type", "veth", "peer", "name", "eth0", "netns", guest.path
        )
        guest.run("ip", "link", "set", "eth0", "address", mac_of(ip))
        guest.run("ip", "addr", "add", f"{ip}/16", "dev", "eth0")
        guest.run("ip", "link", "set", "eth0", "up")
        guest.run("ip", "route", "add", "default", "via", GATEWAY)
        self.attach(number)
        return guest

    def attach(self, number: int) -> None:
        port = f"g{number}"
        self.host.run("ip", "link", "set", port, "master", self.settings.bridge_name, "up")
        self.host.run("ip", "link", "set", port, "type", "bridge_slave", "hairpin", "on")

    def serve(self, name: str, where: Namespace, port: int, *, bind: str = "", udp: bool = False) -> None:
        self._stack.callback(Server(name, where, port, bind=bind, udp=udp).close)


def ask(where: Namespace, address: str, port: int, timeout_s: float = TIMEOUT_S) -> str:
    """What a server says to a client in `where`; `refused` where nobody answers."""
    try:
        with connect(where, address, port, timeout_s) as connection:
            return connection.makefile().readline().strip()
    except OSError:
        return "refused"


def connect(where: Namespace, address: str, port: int, timeout_s: float = TIMEOUT_S) -> socket.socket:
    with where.inside():
        return socket.create_connection((address, port), timeout=timeout_s)


def ask_udp(where: Namespace, address: str, port: int, timeout_s: float = TIMEOUT_S) -> str:
    with where.inside():
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with client:
        client.settimeout(timeout_s)
        try:
            client.sendto(b"?", (address, port))
            return client.recv(4096).decode().strip()
        except OSError:
            return "refused"


def saved_rules(*, without: str = "VMM-") -> list[str]:
    """`iptables-save` without comments, counters, empty tables and lines that speak of our chains."""
    text = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout
    kept: list[str] = []
    for table in text.split("COMMIT\n"):
        lines = [line for line in table.splitlines() if not line.startswith("#") and without not in line]
        rules = [line.split(" [")[0] for line in lines]
        if any(line.startswith("-A") or (line[0] == ":" and " ACCEPT" not in line) for line in rules):
            kept += rules
    return kept


def run(*command: str, text: str = "") -> None:
    """Runs a command where the test is."""
    subprocess.run(command, input=text, text=True, check=True, capture_output=True)


def shell(*commands: str) -> Callable[[], None]:
    """These commands, to be run later."""

    def run_all() -> None:
        for command in commands:
            run(*command.split())

    return run_all


def with_ports(record: Record, *ports: Forward) -> Record:
    """The same VM with other forwards."""
    return replace(record, spec=replace(record.spec, ports=ports))
