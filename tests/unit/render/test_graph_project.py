"""A project's picture: what is in it, what is bundled, what is pale."""

from dataclasses import replace

from pictures import SITE, drawn_shop, shop_picture

from vmmcompose.model.desired import Attachment, Dependency, Desired, DesiredVm, Forward, Mount, Volume
from vmmcompose.render.graph import Graph, Seen, project_graph
from vmmcompose.render.graph.values import Cluster, Edge, Node


def picture(*vms: DesiredVm, seen: dict[str, Seen] | None = None, **more: object) -> Graph:
    return project_graph(Desired("p", vms, **more), "network br", seen or {})  # type: ignore[arg-type]


def node(graph: Graph, name: str) -> Node:
    return next(node for node in graph.nodes if node.id == name)


def edges(graph: Graph, source: str) -> list[tuple[str, str]]:
    return [(edge.target, edge.label) for edge in graph.edges if edge.source == source]


def cluster(graph: Graph, name: str) -> Cluster:
    return next(cluster for cluster in graph.clusters if cluster.id == name)


def test_a_vm_shows_its_image_and_size_and_what_the_host_knows() -> None:
    vm = DesiredVm("web", "/srv/images/debian.ext4", cpus=2, memory_mib=1536)
    alone = node(picture(vm), "vm:web")
    assert alone.lines == ("debian.ext4", "2 cpu · 1536 MiB · disk 1 GiB")
    assert alone.state == ""
    known = node(picture(vm, seen={"web": Seen("running", "172.16.0.9")}), "vm:web")
    assert (known.lines[-1], known.state) == ("172.16.0.9", "running")


def test_a_pinned_address_is_shown_without_a_host() -> None:
    assert node(picture(DesiredVm("a", "tiny", ip="172.16.0.77")), "vm:a").lines[-1] == "172.16.0.77"


def test_ports_lead_to_vms_and_those_added_by_hand_say_so() -> None:
    vm = DesiredVm("web", "tiny", ports=(Forward(53, 5353, "udp", "127.0.0.1"),))
    graph = picture(vm, seen={"web": Seen("running", ports=(Forward(8080, 80),))})
    assert edges(graph, "port:127.0.0.1:53/udp") == [("vm:web", ":5353")]
    assert edges(graph, "port::8080") == [("vm:web", ":80")]
    assert node(graph, "port::8080").lines == ("by hand",)


def test_a_folder_two_vms_mount_is_there_once() -> None:
    mounts = (Mount("site", "/srv/site", "ro"),)
    graph = picture(DesiredVm("a", "tiny", mounts=mounts), DesiredVm("b", "tiny", mounts=mounts))
    assert [node.id for node in graph.nodes if node.kind == "folder"] == ["folder:/srv/site"]
    assert edges(graph, "vm:a") == edges(graph, "vm:b") == [("folder:/srv/site", "/mnt/site ro")]


def test_a_long_path_keeps_its_end() -> None:
    source = "/home/ada/jobs/projects/customers/shop/site"
    graph = picture(DesiredVm("a", "tiny", mounts=(Mount("site", source),)))
    assert node(graph, f"folder:{source}").title == "…/projects/customers/shop/site"


def test_a_volume_nobody_uses_is_pale() -> None:
    vm = DesiredVm("db", "tiny", volumes=(Attachment("data", "/data"),))
    graph = picture(vm, volumes=(Volume("data", 2048), Volume("old")))
    assert (node(graph, "volume:data").lines, node(graph, "volume:data").dim) == (("2 GiB",), False)
    assert node(graph, "volume:old").dim


def test_replicas_stand_in_a_frame_and_what_all_of_them_do_is_one_arrow() -> None:
    graph = shop_picture()
    frame = cluster(graph, "replicas:web")
    assert (frame.title, frame.nodes) == ("web · 3 replicas", ("vm:web-1", "vm:web-2", "vm:web-3"))
    assert edges(graph, "replicas:web") == [(f"folder:{SITE}", "/mnt/site ro"), ("vm:db", "when healthy")]
    assert edges(graph, "vm:web-1") == []
    assert edges(graph, "port::8081") == [("vm:web-2", ":80")]


def test_what_only_some_replicas_do_stays_theirs() -> None:
    shop = drawn_shop()
    vms = tuple(replace(vm, depends_on=()) if vm.name == "web-2" else vm for vm in shop.vms)
    graph = project_graph(replace(shop, vms=vms), "n", {})
    assert edges(graph, "vm:web-1") == [("vm:db", "when healthy")]


def test_depending_on_all_replicas_is_one_arrow_to_their_frame() -> None:
    webs = tuple(DesiredVm(f"web-{n}", "tiny", replica_of="web", replica=n) for n in (1, 2))
    proxy = DesiredVm("proxy", "tiny", depends_on=(Dependency("web-1"), Dependency("web-2")))
    assert edges(picture(proxy, *webs), "vm:proxy") == [("replicas:web", "when started")]
    half = replace(proxy, depends_on=(Dependency("web-2"),))
    assert edges(picture(half, *webs), "vm:proxy") == [("vm:web-2", "when started")]


def test_vms_of_other_profiles_are_pale_and_what_leads_there_too() -> None:
    graph = shop_picture()
    mail = node(graph, "vm:mailcatcher")
    assert mail.dim
    assert mail.lines[-1] == "profile debug"
    assert (
        Edge("vm:worker", "vm:mailcatcher", "when started (optional)", dashed=True, dim=True) in graph.edges
    )
    assert not node(graph, "vm:db").dim


def test_a_dependency_on_what_is_not_there_is_left_out() -> None:
    assert picture(DesiredVm("a", "tiny", depends_on=(Dependency("gone", required=False),))).edges == ()
