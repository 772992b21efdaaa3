"""What a request's body may hold: the stand-in's reading of Firecracker's API description.

Firecracker is stricter than the description in one point, unknown fields, and more lenient in another, null
for a field that may be missing; both are followed here.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[object], str]
"""Says what is wrong with a value; an empty text if nothing is."""


class Wrong(Exception):
    """A body that is not what it must be."""


def number(low: int, high: int) -> Check:
    def check(value: object) -> str:
        fits = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return "" if fits else f"expected a whole number from {low} to {high}"

    return check


def one_of(*names: str, any_case: bool = False) -> Check:
    def check(value: object) -> str:
        known = isinstance(value, str) and (value.lower() if any_case else value) in names
        return "" if known else f"expected one of {', '.join(names)}"

    return check


def text(value: object) -> str:
    return "" if isinstance(value, str) else "expected a string"


def truth(value: object) -> str:
    return "" if isinstance(value, bool) else "expected true or false"


def mac(value: object) -> str:
    ok = isinstance(value, str) and re.fullmatch(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", value)
    return "" if ok else "expected a MAC address"


def link_local(value: object) -> str:
    shaped = isinstance(value, str) and re.fullmatch(r"\d{1,3}(\.\d{1,3}){3}", value)
    return (
        ""
        if shaped and all(int(part) < 256 for part in str(value).split("."))
        else "expected an IPv4 address"
    )


def listed(item: Check) -> Check:
    def check(value: object) -> str:
        if not isinstance(value, list):
            return "expected a list"
        return next((wrong for wrong in map(item, value) if wrong), "")

    return check


def table(
    fields: Mapping[str, Check], *, required: str = "", never_null: str = "", open_ended: bool = False
) -> Check:
    """An object. A field that may be missing may be null too, unless it has a default."""
    needed, filled = required.split(), required.split() + never_null.split()

    def check(value: object) -> str:
        if not isinstance(value, dict):
            return "expected an object"
        unknown = [] if open_ended else [name for name in value if name not in fields]
        missing = [name for name in needed if name not in value]
        if unknown or missing:
            return f"unknown field `{unknown[0]}`" if unknown else f"missing field `{missing[0]}`"
        for name, field in fields.items():
            if name in value and (value[name] is not None or name in filled):
                wrong = field(value[name])
                if wrong:
                    return f"{name}: {wrong}"
        return ""

    return check


U8, U16, U32, U64 = number(0, 2**8 - 1), number(0, 2**16 - 1), number(0, 2**32 - 1), number(0, 2**64 - 1)
BUCKET_FIELDS = {"size": U64, "refill_time": U64, "one_time_burst": U64}
BUCKET = table(BUCKET_FIELDS, required="size refill_time", open_ended=True)
LIMITER = table({"bandwidth": BUCKET, "ops": BUCKET})
_MACHINE: dict[str, Check] = {
    "vcpu_count": U8,
    "mem_size_mib": U64,
    "smt": truth,
    "cpu_template": one_of("C3", "T2", "T2S", "T2CL", "T2A", "V1N1", "None"),
    "track_dirty_pages": truth,
    "huge_pages": one_of("None", "2M"),
}
_LOGGER: dict[str, Check] = {
    "log_path": text,
    "level": one_of("off", "error", "warn", "warning", "info", "debug", "trace", any_case=True),
    "show_level": truth,
    "show_log_origin": truth,
    "module": text,
}
_DRIVE: dict[str, Check] = {
    "drive_id": text,
    "partuuid": text,
    "is_root_device": truth,
    "cache_type": one_of("Unsafe", "Writeback"),
    "is_read_only": truth,
    "path_on_host": text,
    "rate_limiter": LIMITER,
    "io_engine": one_of("Sync", "Async"),
    "socket": text,
}
_NETWORK: dict[str, Check] = {
    "iface_id": text,
    "host_dev_name": text,
    "guest_mac": mac,
    "mtu": number(68, 65535),
    "rx_rate_limiter": LIMITER,
    "tx_rate_limiter": LIMITER,
}
_BALLOON: dict[str, Check] = {
    "amount_mib": U32,
    "deflate_on_oom": truth,
    "stats_polling_interval_s": U16,
    "free_page_hinting": truth,
    "free_page_reporting": truth,
}
_MMDS: dict[str, Check] = {
    "version": one_of("V1", "V2"),
    "network_interfaces": listed(text),
    "ipv4_address": link_local,
    "imds_compat": truth,
}
_BACKEND: dict[str, Check] = {"backend_type": one_of("File", "Uffd"), "backend_path": text}
_LOAD: dict[str, Check] = {
    "snapshot_path": text,
    "mem_file_path": text,
    "mem_backend": table(_BACKEND, required="backend_type backend_path"),
    "enable_diff_snapshots": truth,
    "track_dirty_pages": truth,
    "resume_vm": truth,
    "network_overrides": listed(
        table({"iface_id": text, "host_dev_name": text}, required="iface_id host_dev_name", open_ended=True)
    ),
    "vsock_override": table({"uds_path": text}, required="uds_path", open_ended=True),
    "clock_realtime": truth,
}

BODIES: dict[tuple[str, str], Check] = {
    ("PUT", "actions"): table(
        {"action_type": one_of("FlushMetrics", "InstanceStart", "SendCtrlAltDel")}, required="action_type"
    ),
    ("PUT", "balloon"): table(
        _BALLOON,
        required="amount_mib deflate_on_oom",
        never_null="stats_polling_interval_s free_page_hinting free_page_reporting",
    ),
    ("PATCH", "balloon"): table({"amount_mib": U32}, required="amount_mib"),
    ("PUT", "boot-source"): table(
        {"kernel_image_path": text, "initrd_path": text, "boot_args": text}, required="kernel_image_path"
    ),
    ("PUT", "drives"): table(_DRIVE, required="drive_id is_root_device", never_null="cache_type"),
    ("PATCH", "drives"): table(
        {"drive_id": text, "path_on_host": text, "rate_limiter": LIMITER}, required="drive_id"
    ),
    ("PUT", "logger"): table(_LOGGER),
    ("PUT", "machine-config"): table(
        _MACHINE, required="vcpu_count mem_size_mib", never_null="smt track_dirty_pages huge_pages"
    ),
    ("PATCH", "machine-config"): table(_MACHINE),
    ("PUT", "metrics"): table({"metrics_path": text}, required="metrics_path", open_ended=True),
    ("PUT", "mmds"): table({}, open_ended=True),
    ("PATCH", "mmds"): table({}, open_ended=True),
    ("PUT", "mmds/config"): table(_MMDS, required="network_interfaces", never_null="version imds_compat"),
    ("PUT", "entropy"): table({"rate_limiter": LIMITER}),
    ("PUT", "serial"): table({"serial_out_path": text, "rate_limiter": BUCKET}),
    ("PUT", "snapshot/create"): table(
        {"snapshot_type": one_of("Full", "Diff"), "snapshot_path": text, "mem_file_path": text},
        required="snapshot_path mem_file_path",
        never_null="snapshot_type",
    ),
    ("PUT", "snapshot/load"): table(
        _LOAD,
        required="snapshot_path",
        never_null="enable_diff_snapshots track_dirty_pages resume_vm network_overrides clock_realtime",
    ),
    ("PUT", "network-interfaces"): table(_NETWORK, required="iface_id host_dev_name"),
    ("PATCH", "network-interfaces"): table(
        {"iface_id": text, "rx_rate_limiter": LIMITER, "tx_rate_limiter": LIMITER}, required="iface_id"
    ),
    ("PATCH", "vm"): table({"state": one_of("Paused", "Resumed")}, required="state"),
    ("PUT", "vsock"): table(
        {"guest_cid": U32, "uds_path": text, "vsock_id": text}, required="guest_cid uds_path"
    ),
}


def checked(method: str, resource: str, value: object) -> dict[str, Any]:
    """The body as an object.

    Raises:
        Wrong: it is not what this request takes.
    """
    wrong = BODIES[method, resource](value)
    if wrong:
        raise Wrong(f"the body cannot be read: {wrong}")
    assert isinstance(value, dict)
    return value
