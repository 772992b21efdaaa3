from dataclasses import replace

import pytest
from netlab import record_of, spec_of

from vmmcompose.model.desired import Forward
from vmmcompose.model.observed import HostFacts, Link, Observed
from vmmcompose.model.problem import Problem
from vmmcompose.model.record import Record, State, UnreadableRecord
from vmmcompose.model.settings import Settings
from vmmcompose.model.spec import VmSpec
from vmmcompose.network.conflicts import exhausted, network_problems

SETTINGS = Settings()
WEB = spec_of("web", "172.16.0.2", Forward(8080, 80))
BRIDGE = Link(
    "vmm-br0", "bridge", alias="vmm:/var/lib/vmm", mac="06:00:ac:10:00:01", addresses=("172.16.0.1/16",)
)


def check(*wanted: VmSpec, settings: Settings = SETTINGS, **seen: object) -> list[Problem]:
    observed = Observed(**seen)  # type: ignore[arg-type]
    return list(network_problems(wanted, observed, settings))


def listening(*sockets: tuple[str, str, int]) -> HostFacts:
    return HostFacts(listeners=frozenset(sockets))


def other(ip: str, *ports: Forward, state: State = "running") -> Record:
    return record_of("other", ip, *ports, state=state)


def test_a_quiet_host_has_no_problems() -> None:
    own = Record(spec=WEB, state="running")
    host = HostFacts(
        listeners=frozenset({("tcp", "0.0.0.0", 80), ("udp", "0.0.0.0", 8080)}),
        networks=(("172.16.0.0/16", "vmm-br0"), ("192.0.2.0/24", "eth0"), ("172.16.0.0/12", "vpn0")),
    )
    links = {"vmm-br0": BRIDGE, "eth0": Link("eth0", "", addresses=("192.0.2.1/24",))}
    assert check(WEB, records=(own, other("172.16.0.3", Forward(8081, 80))), links=links, host=host) == []


@pytest.mark.parametrize(
    ("bind", "listener", "taken"),
    [
        ("", "0.0.0.0", True),
        ("", "127.0.0.53", True),
        ("127.0.0.1", "0.0.0.0", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "192.0.2.1", False),
        ("", "::1", False),
    ],
)
def test_a_port_a_process_listens_on(bind: str, listener: str, taken: bool) -> None:
    spec = replace(WEB, ports=(Forward(8080, 80, bind=bind),))
    problems = check(spec, host=listening(("tcp", listener, 8080)))
    assert [(p.code, p.severity, p.at) for p in problems] == (
        [("port-taken", "error", ("vms", "web", "ports"))] if taken else []
    )


def test_a_listener_that_came_after_the_forward_is_a_warning() -> None:
    own = Record(spec=WEB, state="running")
    (problem,) = check(WEB, records=(own,), host=listening(("tcp", "0.0.0.0", 8080)))
    assert problem.severity == "warning"
    assert "a process listens on 0.0.0.0:8080" in problem.message


@pytest.mark.parametrize(
    ("state", "severity"),
    [("running", "error"), ("creating", "error"), ("stopped", "warning"), ("deleting", None)],
)
def test_a_port_of_another_vm(state: State, severity: str | None) -> None:
    problems = check(WEB, records=(other("172.16.0.3", Forward(8080, 99), state=state),))
    assert [problem.severity for problem in problems] == ([severity] if severity else [])
    assert all("shop-other" in problem.message for problem in problems)


def test_one_port_twice_among_the_wanted_and_beside_a_stopped_claim() -> None:
    twin = spec_of("twin", "172.16.0.9", Forward(8080, 81), Forward(8080, 82, bind="127.0.0.1"))
    (problem,) = check(WEB, twin)
    assert problem.at == ("vms", "twin", "ports")
    assert "8080/tcp is already forwarded to VM shop-web" in problem.message
    stopped = record_of("old", "172.16.0.8", Forward(8080, 1), state="stopped")
    running = record_of("new", "172.16.0.7", Forward(8080, 1))
    assert [p.severity for p in check(WEB, records=(stopped, running))] == ["error"]
    assert [p.severity for p in check(WEB, records=(running, stopped))] == ["error"]


def test_addresses_that_are_taken_or_blocked_or_outside() -> None:
    bad = UnreadableRecord("shop-bad", "/var/lib/vmm/vms/shop-bad.json", "cut off", ip="172.16.0.4")
    wanted = (
        WEB,
        spec_of("a", "172.16.0.3"),
        spec_of("b", "172.16.0.4"),
        spec_of("c", "10.0.0.1"),
        spec_of("d", "172.16.0.2"),
        spec_of("e", "172.16.0.1"),
    )
    problems = check(*wanted, records=(other("172.16.0.3"),), unreadable=(bad,))
    assert [(p.code, p.at[1]) for p in problems] == [
        ("ip-taken", "a"),
        ("ip-taken", "b"),
        ("ip-outside-subnet", "c"),
        ("ip-taken", "d"),
        ("ip-outside-subnet", "e"),
    ]
    assert "shop-bad.json" in problems[1].message


@pytest.mark.parametrize(
    "link", [Link("vmm-br0", "bridge"), Link("vmm-br0", "veth"), replace(BRIDGE, alias="vmm:/other")]
)
def test_the_bridges_name_is_taken(link: Link) -> None:
    (problem,) = check(WEB, links={"vmm-br0": link})
    assert problem.code == "bridge-taken"
    assert "vmm-br0" in problem.message


def test_a_taps_name_is_taken() -> None:
    (problem,) = check(WEB, links={WEB.tap: Link(WEB.tap, "veth")})
    assert (problem.code, problem.at) == ("tap-taken", ("vms", "web"))


def test_the_subnet_is_in_use() -> None:
    links = {"eth0": Link("eth0", "", addresses=("172.16.5.1/24",))}
    host = HostFacts(networks=(("172.16.5.0/24", "eth0"), ("172.16.9.0/24", "vpn0")))
    problems = check(WEB, links=links, host=host)
    assert [(p.code, p.severity) for p in problems] == [("subnet-in-use", "error")] * 2
    assert problems[0].message == "subnet 172.16.0.0/16 overlaps 172.16.5.0/24, which is in use by eth0"
    standing = check(WEB, links={**links, "vmm-br0": BRIDGE}, host=host)
    assert [p.severity for p in standing] == ["warning"] * 2


def test_a_full_bridge() -> None:
    taps = {f"vmm-{n}": Link(f"vmm-{n}", "tun", alias="vmm:1", master="vmm-br0") for n in range(1023)}
    assert check(replace(WEB, tap="vmm-5"), links={"vmm-br0": BRIDGE, **taps}) == []
    (problem,) = check(WEB, links={"vmm-br0": BRIDGE, **taps})
    assert problem.code == "bridge-full"


@pytest.mark.parametrize(
    ("subnet", "gateway"),
    [
        ("10.0.0.0/31", "10.0.0.1"),
        ("10.0.0.0/24", "10.0.1.1"),
        ("10.0.0.0/24", "10.0.0.255"),
        ("x", "10.0.0.1"),
        ("10.0.0.0/24", ""),
    ],
)
def test_settings_that_make_no_network(subnet: str, gateway: str) -> None:
    (problem,) = check(WEB, settings=Settings(subnet=subnet, gateway=gateway))
    assert problem.code == "network-settings"


def test_nothing_wanted_nothing_in_the_way() -> None:
    assert check(links={"vmm-br0": Link("vmm-br0", "veth")}) == []
    assert exhausted("web", SETTINGS).at == ("vms", "web")
