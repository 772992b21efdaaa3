"""Requests to Firecracker and the status that a real one, version 1.16.1, answers each with."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from firecracker_lab import Request


@dataclass(frozen=True)
class Case:
    """A request, what went before it, and the status that a real Firecracker 1.16.1 answers with."""

    name: str
    request: Request
    status: int
    before: tuple[Request, ...] = ()
    needs_kvm: bool = False


KERNEL: Request = ("PUT", "/boot-source", {"kernel_image_path": "@kernel", "boot_args": "console=ttyS0"})
START: Request = ("PUT", "/actions", {"action_type": "InstanceStart"})
PRESS: Request = ("PUT", "/actions", {"action_type": "SendCtrlAltDel"})
MACHINE: dict[str, Any] = {"vcpu_count": 1, "mem_size_mib": 128}
DRIVE: dict[str, Any] = {
    "drive_id": "root",
    "path_on_host": "@disk",
    "is_root_device": True,
    "is_read_only": False,
}
NETWORK: dict[str, Any] = {"iface_id": "eth0", "host_dev_name": "tap-none", "guest_mac": "06:00:ac:10:00:02"}
BUCKET: dict[str, Any] = {"size": 1000, "refill_time": 100}
STARTED = (KERNEL, START)
PAUSED = (*STARTED, ("PATCH", "/vm", {"state": "Paused"}))


def _body(case: str, path: str, body: Any, status: int, *before: Request) -> Case:
    return Case(case, ("PUT", path, body), status, before, needs_kvm=START in before)


def _machine() -> Iterator[Case]:
    for name, change, status in (
        ("as it should be", {}, 204),
        ("32 cpus", {"vcpu_count": 32}, 204),
        ("33 cpus", {"vcpu_count": 33}, 400),
        ("no cpus", {"vcpu_count": 0}, 400),
        ("minus one cpu", {"vcpu_count": -1}, 400),
        ("300 cpus", {"vcpu_count": 300}, 400),
        ("cpus as text", {"vcpu_count": "2"}, 400),
        ("cpus as a fraction", {"vcpu_count": 1.0}, 400),
        ("cpus as a truth", {"vcpu_count": True}, 400),
        ("cpus null", {"vcpu_count": None}, 400),
        ("no memory", {"mem_size_mib": 0}, 400),
        ("three cpus with smt", {"vcpu_count": 3, "smt": True}, 400),
        ("one cpu with smt", {"smt": True}, 204),
        ("smt null", {"smt": None}, 400),
        ("odd memory in huge pages", {"mem_size_mib": 129, "huge_pages": "2M"}, 400),
        ("even memory in huge pages", {"huge_pages": "2M"}, 204),
        ("huge pages of another size", {"huge_pages": "1G"}, 400),
        ("unknown field", {"vcpus": 1}, 400),
        ("unknown template", {"cpu_template": "T9"}, 400),
    ):
        yield _body(f"machine-config: {name}", "/machine-config", MACHINE | change, status)
    yield _body("machine-config: memory missing", "/machine-config", {"vcpu_count": 1}, 400)
    yield _body("machine-config: a list", "/machine-config", [MACHINE], 400)
    yield _body("machine-config: after the start", "/machine-config", MACHINE, 400, *STARTED)
    yield Case("machine-config: partly", ("PATCH", "/machine-config", {"vcpu_count": 2}), 204)
    yield Case("machine-config: nothing", ("PATCH", "/machine-config", {}), 400)
    yield Case("machine-config: asked", ("GET", "/machine-config", None), 200)
    yield Case("machine-config: asked with a body", ("GET", "/machine-config", {}), 400)


def _boot_source() -> Iterator[Case]:
    path = "/boot-source"
    for name, body, status in (
        ("as it should be", KERNEL[2], 204),
        ("without arguments", {"kernel_image_path": "@kernel"}, 204),
        ("arguments null", {"kernel_image_path": "@kernel", "boot_args": None}, 204),
        ("with an initrd", KERNEL[2] | {"initrd_path": "@text"}, 204),
        ("no kernel", {"boot_args": "x"}, 400),
        ("missing kernel", {"kernel_image_path": "@none"}, 400),
        ("missing initrd", KERNEL[2] | {"initrd_path": "@none"}, 400),
        ("a folder", {"kernel_image_path": "@"}, 204),
        ("2047 bytes of arguments", KERNEL[2] | {"boot_args": "a" * 2047}, 204),
        ("2048 bytes of arguments", KERNEL[2] | {"boot_args": "a" * 2048}, 400),
        ("a line break in the arguments", KERNEL[2] | {"boot_args": "a\nb"}, 204),
        ("an umlaut in the arguments", KERNEL[2] | {"boot_args": "ä"}, 204),
        ("unknown field", KERNEL[2] | {"kernel": "x"}, 400),
    ):
        yield _body(f"boot-source: {name}", path, body, status)
    yield _body("boot-source: after the start", path, KERNEL[2], 400, *STARTED)
    yield Case("boot-source: asked", ("GET", path, None), 400)
    yield Case("boot-source: empty", ("PUT", path, None), 400)
    yield Case("boot-source: no JSON", ("PUT", path, b"{'kernel_image_path'}"), 400)
    yield Case("boot-source: no UTF-8", ("PUT", path, b'{"kernel_image_path": "\xff"}'), 400)
    yield Case("boot-source: more to the path", ("PUT", path + "/x", KERNEL[2]), 204)
    yield Case("boot-source: a question", ("PUT", path + "?x", KERNEL[2]), 400)


def _drives() -> Iterator[Case]:
    path, other = "/drives/root", {**DRIVE, "drive_id": "other"}
    for name, change, status in (
        ("as it should be", {}, 204),
        ("read-only", {"is_read_only": True}, 204),
        ("written back", {"cache_type": "Writeback"}, 204),
        ("another cache type", {"cache_type": "writeback"}, 400),
        ("another engine", {"io_engine": "Fast"}, 400),
        ("a missing file", {"path_on_host": "@none"}, 400),
        ("a folder", {"path_on_host": "@"}, 400),
        ("no file", {"path_on_host": None}, 400),
        ("neither read-only nor not", {"is_read_only": None}, 204),
        ("cache type null", {"cache_type": None}, 400),
        ("engine null", {"io_engine": None}, 204),
        ("root as text", {"is_root_device": "true"}, 400),
        ("another id in the body", {"drive_id": "else"}, 400),
        ("unknown field", {"label": "x"}, 400),
        ("limited", {"rate_limiter": {"bandwidth": BUCKET, "ops": BUCKET | {"one_time_burst": 1}}}, 204),
        ("limited by half a bucket", {"rate_limiter": {"bandwidth": {"size": 1}}}, 400),
        ("limited by a negative bucket", {"rate_limiter": {"ops": BUCKET | {"size": -1}}}, 400),
        ("limited by something else", {"rate_limiter": {"iops": BUCKET}}, 400),
    ):
        yield _body(f"drives: {name}", path, DRIVE | change, status)
    first = ("PUT", path, DRIVE)
    yield _body("drives: the same again", path, DRIVE, 204, first)
    yield _body("drives: two roots", "/drives/other", other, 400, first)
    yield _body("drives: one more", "/drives/other", other | {"is_root_device": False}, 204, first)
    yield _body("drives: a dash in the id", "/drives/my-disk", DRIVE | {"drive_id": "my-disk"}, 400)
    yield _body("drives: an underscore in the id", "/drives/my_disk", DRIVE | {"drive_id": "my_disk"}, 204)
    yield _body("drives: no id", "/drives", DRIVE, 400)
    yield _body("drives: an empty id", "/drives/", DRIVE, 400)
    yield _body("drives: after the start", path, DRIVE, 400, *STARTED)
    yield Case("drives: changed before the start", ("PATCH", path, {"drive_id": "root"}), 400)
    yield Case("drives: asked", ("GET", path, None), 400)
    swap = ("PATCH", path, {"drive_id": "root", "path_on_host": "@disk"})
    yield Case("drives: another file later", swap, 204, (KERNEL, first, START), needs_kvm=True)
    yield Case("drives: another file for none", swap, 400, STARTED, needs_kvm=True)


def _network() -> Iterator[Case]:
    path, other = "/network-interfaces/eth0", {**NETWORK, "iface_id": "eth1"}
    for name, change, status in (
        ("no MAC", {"guest_mac": None}, 204),
        ("half a MAC", {"guest_mac": "06:00:ac:10:00"}, 400),
        ("no MAC but a word", {"guest_mac": "06:00:ac:10:00:zz"}, 400),
        ("a MAC with dashes", {"guest_mac": "06-00-ac-10-00-02"}, 400),
        ("a MAC in capitals", {"guest_mac": "06:00:AC:10:00:02"}, 204),
        ("a TAP of 15 bytes", {"host_dev_name": "t" * 15}, 204),
        ("a TAP of 16 bytes", {"host_dev_name": "t" * 16}, 400),
        ("no TAP", {"host_dev_name": None}, 400),
        ("another id in the body", {"iface_id": "eth9"}, 400),
        ("unknown field", {"bridge": "x"}, 400),
        ("too big an mtu", {"mtu": 70000}, 400),
        ("too small an mtu", {"mtu": 60}, 400),
        ("a small mtu", {"mtu": 68}, 204),
    ):
        yield _body(f"network: {name}", path, NETWORK | change, status)
    yield _body("network: a missing TAP, as root", path, NETWORK, 204)
    yield _body("network: the same again", path, NETWORK, 204, ("PUT", path, NETWORK))
    yield _body("network: the same MAC", "/network-interfaces/eth1", other, 400, ("PUT", path, NETWORK))
    second = other | {"guest_mac": "06:00:ac:10:00:03", "host_dev_name": "tap-other"}
    yield _body("network: two", "/network-interfaces/eth1", second, 204, ("PUT", path, NETWORK))
    yield _body("network: a dash in the id", "/network-interfaces/e-0", NETWORK | {"iface_id": "e-0"}, 400)
    yield _body("network: after the start", path, NETWORK, 400, *STARTED)


def _others() -> Iterator[Case]:
    metrics: Request = ("PUT", "/metrics", {"metrics_path": "@metrics"})
    yield Case("metrics", metrics, 204)
    yield Case("metrics: twice", metrics, 400, (metrics,))
    yield Case("metrics: in no folder", ("PUT", "/metrics", {"metrics_path": "@none/x"}), 400)
    yield Case("metrics: no path", ("PUT", "/metrics", {}), 400)
    logger: Request = ("PUT", "/logger", {"log_path": "@log", "level": "Info", "show_level": True})
    yield Case("logger", logger, 204)
    yield Case("logger: twice", logger, 204, (logger,))
    yield Case("logger: another level", ("PUT", "/logger", {"level": "Loud"}), 400)
    yield Case("logger: any case", ("PUT", "/logger", {"level": "wARNING"}), 204)
    yield Case("logger: unknown field", ("PUT", "/logger", {"path": "x"}), 400)
    yield Case("logger: in no folder", ("PUT", "/logger", {"log_path": "@none/x"}), 400)
    yield Case("logger: after the start", logger, 400, STARTED, needs_kvm=True)
    yield Case("entropy", ("PUT", "/entropy", {}), 204)
    yield Case("entropy: limited", ("PUT", "/entropy", {"rate_limiter": {"bandwidth": BUCKET}}), 204)
    yield Case("entropy: unknown field", ("PUT", "/entropy", {"source": "x"}), 400)
    yield Case("entropy: after the start", ("PUT", "/entropy", {}), 400, STARTED, needs_kvm=True)
    yield Case("serial", ("PUT", "/serial", {"rate_limiter": BUCKET}), 204)
    yield Case("serial: no bucket", ("PUT", "/serial", {"rate_limiter": {"ops": BUCKET}}), 400)
    yield Case("serial: unknown field", ("PUT", "/serial", {"path": "x"}), 400)
    yield Case("balloon", ("PUT", "/balloon", {"amount_mib": 0, "deflate_on_oom": True}), 204)
    yield Case("balloon: half", ("PUT", "/balloon", {"amount_mib": 0}), 400)
    yield Case("balloon: too big", ("PUT", "/balloon", {"amount_mib": 999999, "deflate_on_oom": True}), 400)
    yield Case("balloon: asked for none", ("GET", "/balloon", None), 400)
    yield Case("vsock", ("PUT", "/vsock", {"guest_cid": 3, "uds_path": "@v.sock"}), 204)
    yield Case("vsock: the host's number", ("PUT", "/vsock", {"guest_cid": 2, "uds_path": "@v.sock"}), 204)
    yield Case("vsock: no path", ("PUT", "/vsock", {"guest_cid": 3}), 400)
    yield Case("mmds: no interface", ("PUT", "/mmds/config", {"network_interfaces": ["eth0"]}), 400)
    yield Case("mmds: asked", ("GET", "/mmds", None), 200)
    yield Case("who", ("GET", "/", None), 200)
    yield Case("version", ("GET", "/version", None), 200)
    yield Case("whole configuration", ("GET", "/vm/config", None), 200)
    yield Case("nowhere", ("GET", "/nowhere", None), 400)
    yield Case("put nowhere", ("PUT", "/nowhere", {}), 400)
    yield Case("patch nowhere", ("PATCH", "/nowhere", {}), 400)
    yield Case("delete a drive", ("DELETE", "/drives/root", None), 400)
    yield Case("delete a kernel", ("DELETE", "/boot-source", None), 400)
    yield Case("a method of its own", ("POST", "/actions", START[2]), 400)
    yield Case("too long a body", ("PUT", "/mmds", b'{"x": "' + b"y" * 51200 + b'"}'), 400)
    yield Case("as long a body as may be", ("PUT", "/mmds", b'{"x":"' + b"y" * 51192 + b'"}'), 204)


def _life() -> Iterator[Case]:
    flush: Request = ("PUT", "/actions", {"action_type": "FlushMetrics"})
    pause: Request = ("PATCH", "/vm", {"state": "Paused"})
    resume: Request = ("PATCH", "/vm", {"state": "Resumed"})
    yield Case("start: without a kernel", START, 400)
    for name, file in (("text", "@text"), ("a folder", "@")):
        wrong: Request = ("PUT", "/boot-source", {"kernel_image_path": file})
        yield Case(f"start: {name} for a kernel", START, 400, (wrong,), needs_kvm=True)
    yield Case("start", START, 204, (KERNEL,), needs_kvm=True)
    yield Case("start: twice", START, 400, STARTED, needs_kvm=True)
    small: Request = ("PUT", "/machine-config", MACHINE | {"mem_size_mib": 8})
    yield Case("start: no room for the kernel", START, 400, (KERNEL, small), needs_kvm=True)
    drives = tuple(
        ("PUT", f"/drives/d{index}", DRIVE | {"drive_id": f"d{index}", "is_root_device": index == 0})
        for index in range(18)
    )
    yield Case("start: 17 devices", START, 204, (KERNEL, *drives[:17]), needs_kvm=True)
    yield Case("start: 18 devices", START, 400, (KERNEL, *drives[:18]), needs_kvm=True)
    for length, status in ((1952, 204), (1953, 400)):
        line: Request = ("PUT", "/boot-source", {"kernel_image_path": "@kernel", "boot_args": "a" * length})
        before: tuple[Request, ...] = (line, drives[0], ("PUT", "/entropy", {}))
        yield Case(f"start: {length} bytes of arguments, two devices", START, status, before, needs_kvm=True)
    for name, text in (("a line break", "a\nb"), ("an umlaut", "ä")):
        spoilt: Request = ("PUT", "/boot-source", {"kernel_image_path": "@kernel", "boot_args": text})
        yield Case(f"start: {name} in the arguments", START, 204, (spoilt, drives[0]), needs_kvm=True)
    yield Case("unknown action", ("PUT", "/actions", {"action_type": "Stop"}), 400)
    yield Case("action in another case", ("PUT", "/actions", {"action_type": "instancestart"}), 400)
    yield Case("action with more", ("PUT", "/actions", {"action_type": "FlushMetrics", "now": True}), 400)
    for name, request in (("flush", flush), ("key", PRESS), ("pause", pause), ("resume", resume)):
        yield Case(f"{name}: before the start", request, 400)
        yield Case(f"{name}: after the start", request, 204, STARTED, needs_kvm=True)
        yield Case(f"{name}: while paused", request, 204, PAUSED, needs_kvm=True)
    yield Case("another state", ("PATCH", "/vm", {"state": "Stopped"}), 400, STARTED, needs_kvm=True)
    yield Case("state set, not patched", ("PUT", "/vm", {"state": "Paused"}), 400)


CREATE: Request = (
    "PUT",
    "/snapshot/create",
    {"snapshot_type": "Full", "snapshot_path": "@state", "mem_file_path": "@memory"},
)
LOAD: dict[str, Any] = {
    "snapshot_path": "@text",
    "mem_backend": {"backend_type": "File", "backend_path": "@disk"},
    "resume_vm": True,
}


def _snapshots() -> Iterator[Case]:
    def kvm(name: str, request: Request, status: int, before: tuple[Request, ...]) -> Case:
        return Case(f"snapshot: {name}", request, status, before, needs_kvm=True)

    path, body = CREATE[1], CREATE[2]
    yield kvm("of a paused guest", CREATE, 204, PAUSED)
    yield kvm("twice", CREATE, 204, (*PAUSED, CREATE))
    yield kvm("of a running guest", CREATE, 400, STARTED)
    yield kvm("of a resumed guest", CREATE, 400, (*PAUSED, ("PATCH", "/vm", {"state": "Resumed"})))
    yield kvm("resumed afterwards", ("PATCH", "/vm", {"state": "Resumed"}), 204, (*PAUSED, CREATE))
    yield kvm("into no folder", ("PUT", path, body | {"snapshot_path": "@none/x"}), 400, PAUSED)
    yield kvm("memory into no folder", ("PUT", path, body | {"mem_file_path": "@none/x"}), 400, PAUSED)
    yield kvm("in a running process", ("PUT", "/snapshot/load", LOAD), 400, STARTED)
    yield Case("snapshot: before the start", CREATE, 400)
    for name, change in (
        ("of another type", {"snapshot_type": "Half"}),
        ("of no type", {"snapshot_type": None}),
        ("without memory", {"mem_file_path": None}),
        ("with more", {"version": "1.0.0"}),
    ):
        yield kvm(name, ("PUT", path, body | change), 400, PAUSED)
    odd: dict[str, Any]
    yield Case("load: after a kernel", ("PUT", "/snapshot/load", LOAD), 400, (KERNEL,))
    for name, odd in (
        ("what is none", {}),
        ("what is not there", {"snapshot_path": "@none"}),
        ("from another backend", {"mem_backend": {"backend_type": "Disk", "backend_path": "@disk"}}),
        ("from no backend", {"mem_backend": None}),
        ("from two", {"mem_file_path": "@disk"}),
        ("with an unknown field", {"resume": True}),
        ("resumed, maybe", {"resume_vm": None}),
    ):
        yield Case(f"load: {name}", ("PUT", "/snapshot/load", LOAD | odd), 400)
    yield Case("snapshot: something else", ("PUT", "/snapshot/keep", {}), 400)
    yield Case("snapshot: nothing", ("PUT", "/snapshot", {}), 400)
    yield Case("snapshot: asked", ("GET", "/snapshot/load", None), 400)


CASES = (*_snapshots(), *_machine(), *_boot_source(), *_drives(), *_network(), *_others(), *_life())
