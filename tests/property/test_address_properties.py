"""An address is one VM's from its creation to its end, whatever the subnet and whatever is done in between."""

from ipaddress import IPv4Address, IPv4Network

from hypothesis import event, given, settings
from hypothesis import strategies as st
from projects import plan_for
from simulated_host import SimulatedHost

from vmmcompose.model.desired import Desired, DesiredVm, Power
from vmmcompose.model.options import Options
from vmmcompose.model.settings import Settings
from vmmcompose.network.addresses import mac_of

NAMES = tuple(f"vm{number}" for number in range(20))
POWERS: dict[str, Power] = {"start": "running", "stop": "stopped", "delete": "absent", "restart": "running"}
DEEDS = st.tuples(st.sampled_from(("create", *POWERS)), st.sampled_from(NAMES), st.integers(0, 3))


@st.composite
def subnets(draw: st.DrawFn) -> Settings:
    """A subnet of /16 to /28 anywhere, with any of its addresses as the gateway's."""
    prefix = draw(st.integers(16, 28))
    network = IPv4Network((draw(st.integers(10 << 24, (11 << 24) - 1)), prefix), strict=False)
    offset = draw(st.integers(1, network.num_addresses - 2))
    return Settings(subnet=str(network), gateway=str(network[offset]))


def do(host: SimulatedHost, deed: str, name: str, cut: int) -> None:
    """One command on one VM; `cut` of 3 kills it in the middle, and the next command finds what it left."""
    options = Options(
        only=(name,), alone=True, wait=False, restart=deed == "restart", register=deed == "create"
    )
    plan = plan_for(host, Desired("", (DesiredVm(name, "tiny", power=POWERS.get(deed, "stopped")),)), options)
    errors = [problem.code for problem in plan.problems if problem.severity == "error"]
    if errors == ["subnet-exhausted"]:
        event("the subnet is full")
        assert len(host.records) == IPv4Network(host.settings.subnet).num_addresses - 3
        return
    assert not errors
    host.run(plan, stop_after=len(plan.steps) // 2 if cut == 3 else None)


@settings(max_examples=200, deadline=None)
@given(subnets(), st.lists(DEEDS, min_size=15, max_size=60))
def test_no_address_twice_and_none_moves(subnet: Settings, deeds: list[tuple[str, str, int]]) -> None:
    host = SimulatedHost(settings=subnet)
    network = IPv4Network(subnet.subnet)
    leased: dict[str, str] = {}
    for wished, name, cut in deeds:
        # Whatever is done to a VM that is not there makes it; creating one that is there is refused.
        deed = wished if name in host.records else "create"
        if name in host.records and deed == "create":
            continue
        do(host, deed, name, cut)
        now = {known: record.spec.ip for known, record in host.records.items()}
        assert len(set(now.values())) == len(now)
        assert all(now[known] == ip for known, ip in leased.items() if known in now)
        for ip in now.values():
            assert IPv4Address(ip) in network
            assert ip not in (str(network[0]), str(network[-1]), subnet.gateway)
        assert all(record.spec.mac == mac_of(record.spec.ip) for record in host.records.values())
        assert len({record.spec.tap for record in host.records.values()}) == len(now)
        leased = now
