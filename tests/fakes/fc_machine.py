"""The machine behind the stand-in's API: its states and what they allow."""

import json
import os
import time
from collections.abc import Callable
from typing import Any, Protocol

from fc_devices import Devices, Refused, open_like_a_log, read_kernel
from fc_requests import DONE, WITH_ID, Answer, as_json, check_id, fault, found, resource_of
from fc_rules import Wrong, checked
from fc_snapshots import load, save
from tiny_kernel import play

_CONSOLE = "[    0.000000] Linux version 6.1.0-fake (stand-in)\n[    0.100000] the guest is up\n"
_NEWER = {"serial": (1, 14)}
_MIB = 1 << 20


class Log(Protocol):
    level: str

    def open(self, path: str) -> None: ...

    def write(self, text: str, level: str = "info") -> None: ...


class Machine:
    """One microVM. `handle` takes requests, `tick` lets its guest live."""

    def __init__(self, name: str, version: str, log: Log, *, pci: bool = False) -> None:
        self.name, self.version, self.log, self.pci = name, version, log, pci
        major, minor, *_ = version.split(".")
        self.number = (int(major), int(minor))
        self.state = "Not started"
        self.devices = Devices()
        self._touched = False
        self.ended: int | None = None
        """The exit code of a process that cannot go on."""
        self._metrics = -1
        self._ends_at: float | None = None
        self._key_waits = self._deaf = False
        self._missed = int(os.environ.get("FAKE_FC_MISSED_KEYS", "0"))
        self._mmds: object = None

    def handle(self, method: str, path: str, body: bytes) -> Answer:
        """Answer one request, and log it as the real one does."""
        if path == os.environ.get("FAKE_FC_DIES_AT"):
            os._exit(149)
        self.log.write(f"The API server received a {method} request on {path!r}")
        try:
            answer = self._route(method, path, body)
        except (Refused, Wrong) as error:
            answer = fault(str(error))
        level = "error" if answer.status >= 400 else "info"
        self.log.write(
            f"Status code {answer.status}. {answer.body.decode() if level == 'error' else ''}", level
        )
        return answer

    def tick(self) -> float | None:
        """Seconds until the guest ends by itself, negative when it has; None while nothing is due."""
        if self.ended is not None:
            return -1.0
        if self._ends_at is None or self.state != "Running":
            return None
        return max(self._ends_at - time.monotonic(), 0.0) or -1.0

    def _route(self, method: str, path: str, body: bytes) -> Answer:
        first, *rest = path.lstrip("/").split("/")
        second = rest[0] if rest else ""
        unknown = Refused(f"Invalid request method and/or path: {method} {first}.")
        if self.number < _NEWER.get(first, (0, 0)):
            raise unknown
        if method == "GET":
            return self._get(first, second, body, unknown)
        if method == "DELETE":
            return self._delete(first, second, body, unknown)
        if not body and (method, first) != ("PATCH", "balloon"):
            raise Refused(f"Empty {method} request.")
        resource = resource_of(method, first, second)
        if first in WITH_ID:
            check_id(second)
        try:
            action = getattr(self, f"{method.lower()}_{resource.replace('/', '_').replace('-', '_')}")
        except AttributeError:
            raise unknown from None
        value = checked(method, resource, as_json(body))
        if first in WITH_ID and value[WITH_ID[first]] != second:
            raise Refused("the id in the path is not the id in the body")
        answer: Answer = action(value)
        return answer

    def _get(self, first: str, second: str, body: bytes, unknown: Refused) -> Answer:
        if body:
            raise Refused("GET request cannot have a body.")
        answers: dict[tuple[str, str], Callable[[], object]] = {
            ("", ""): self._info,
            ("version", ""): lambda: {"firecracker_version": self.version},
            ("machine-config", ""): lambda: self.devices.machine,
            ("vm", "config"): self.devices.whole,
            ("mmds", ""): lambda: self._mmds or {},
            ("balloon", ""): self.devices.get_balloon,
        }
        key = (first, second if first == "vm" else "")
        if key not in answers:
            raise unknown
        return found(answers[key]())

    def _info(self) -> object:
        info = {"id": self.name, "state": self.state}
        return info | {"vmm_version": self.version, "app_name": "Firecracker"}

    def _delete(self, first: str, second: str, body: bytes, unknown: Refused) -> Answer:
        if first not in WITH_ID or self.number < (1, 16) or body:
            raise unknown
        check_id(second)
        self._must_run()
        raise Refused("PCI is not enabled")

    def _must_not_run(self) -> None:
        if self.state != "Not started":
            raise Refused("The requested operation is not supported after starting the microVM.")

    def _must_run(self) -> None:
        if self.state == "Not started":
            raise Refused("The requested operation is not supported before starting the microVM.")

    def put_logger(self, value: dict[str, Any]) -> Answer:
        self._must_not_run()
        try:
            if value.get("log_path"):
                self.log.open(value["log_path"])
        except OSError as error:
            raise Refused(f"Logger error: {error.strerror}") from error
        level = str(value.get("level") or "info").lower()
        self.log.level = "warning" if level == "warn" else level
        return DONE

    def put_metrics(self, value: dict[str, Any]) -> Answer:
        self._must_not_run()
        try:
            descriptor = open_like_a_log(value["metrics_path"], create=self.number >= (1, 14))
        except OSError as error:
            return fault(f"Metrics error: {error.strerror}")
        if self._metrics >= 0:
            return fault("Metrics error: they are set up already")
        self._metrics = descriptor
        return DONE

    def put_serial(self, value: dict[str, Any]) -> Answer:
        self._must_not_run()
        if "rate_limiter" in value and self.number < (1, 16):
            raise Wrong("the body cannot be read: unknown field `rate_limiter`")
        self.devices.serial = value
        return DONE

    def put_mmds(self, value: dict[str, Any]) -> Answer:
        self._mmds = value
        return DONE

    def patch_mmds(self, value: dict[str, Any]) -> Answer:
        if not isinstance(self._mmds, dict):
            raise Refused("MMDS error: it holds nothing yet")
        self._mmds |= value
        return DONE

    def _configure(self, change: Callable[[dict[str, Any]], None], value: dict[str, Any]) -> Answer:
        self._must_not_run()
        self._touched = True
        change(value)
        return DONE

    def put_boot_source(self, value: dict[str, Any]) -> Answer:
        return self._configure(self.devices.put_boot_source, value)

    def put_machine_config(self, value: dict[str, Any]) -> Answer:
        return self._configure(self.devices.put_machine, value)

    def patch_machine_config(self, value: dict[str, Any]) -> Answer:
        if all(part is None for part in value.values()):
            raise Refused("Empty PATCH request.")
        return self._configure(self.devices.patch_machine, value)

    def put_drives(self, value: dict[str, Any]) -> Answer:
        if self.state != "Not started":
            raise Refused("PCI is not enabled")
        return self._configure(self.devices.put_drive, value)

    def put_network_interfaces(self, value: dict[str, Any]) -> Answer:
        if self.state != "Not started":
            raise Refused("PCI is not enabled")
        return self._configure(self.devices.put_network, value)

    def put_entropy(self, value: dict[str, Any]) -> Answer:
        return self._configure(self.devices.put_entropy, value)

    def put_balloon(self, value: dict[str, Any]) -> Answer:
        return self._configure(self.devices.put_balloon, value)

    def put_vsock(self, value: dict[str, Any]) -> Answer:
        return self._configure(self.devices.put_vsock, value)

    def put_mmds_config(self, value: dict[str, Any]) -> Answer:
        return self._configure(self.devices.put_mmds_config, value)

    def put_actions(self, value: dict[str, Any]) -> Answer:
        action = {"InstanceStart": self._start, "FlushMetrics": self._flush, "SendCtrlAltDel": self._press}
        return action[value["action_type"]]()

    def _start(self) -> Answer:
        self._must_not_run()
        if not self.devices.boot_source:
            raise Refused("Start microvm error: there is no kernel yet")
        memory = self.devices.machine["mem_size_mib"] * _MIB
        kernel = read_kernel(self.devices.boot_source["kernel_image_path"], memory)
        self.devices.attach()
        out = 1
        path = self.devices.serial.get("serial_out_path")
        if path:
            try:
                out = open_like_a_log(path, create=True)
            except OSError as error:
                raise Refused(f"Start microvm error: {error.strerror}") from error
        self.state = "Running"
        text, obeys = play(kernel) or (os.environ.get("FAKE_FC_CONSOLE", _CONSOLE), True)
        self._deaf = not obeys or os.environ.get("FAKE_FC_IGNORE_CAD") == "1"
        os.write(out, text.encode())
        return DONE

    def _flush(self) -> Answer:
        self._must_run()
        if self._metrics >= 0:
            os.write(
                self._metrics, json.dumps({"utc_timestamp_ms": int(time.time() * 1000)}).encode() + b"\n"
            )
        return DONE

    def _press(self) -> Answer:
        self._must_run()
        self._missed -= 1
        self._key_waits = not self._deaf and self._missed < 0
        self._hear()
        return DONE

    def _hear(self) -> None:
        """A running guest takes the key; a paused one finds it when it is resumed."""
        if self._key_waits and self.state == "Running" and self._ends_at is None:
            self._ends_at = time.monotonic() + float(os.environ.get("FAKE_FC_GRACE_S", "0.05"))

    def patch_vm(self, value: dict[str, Any]) -> Answer:
        self._must_run()
        self.state = {"Paused": "Paused", "Resumed": "Running"}[value["state"]]
        self._hear()
        return DONE

    def put_snapshot_create(self, value: dict[str, Any]) -> Answer:
        self._must_run()
        if self.state != "Paused":
            raise Refused("Create snapshot error: the vCPUs run")
        save(value["snapshot_path"], value["mem_file_path"], self.devices, {"deaf": self._deaf})
        return DONE

    def put_snapshot_load(self, value: dict[str, Any]) -> Answer:
        self._must_not_run()
        if self._touched:
            raise Refused("Load snapshot error: loading is not allowed after configuring the machine")
        if "clock_realtime" in value and self.number < (1, 16):
            raise Wrong("the body cannot be read: unknown field `clock_realtime`")
        backend, file = value.get("mem_backend"), value.get("mem_file_path") or ""
        if (backend is None) == (not file):
            raise Wrong(
                "the body cannot be read: exactly one of `mem_backend` and `mem_file_path` must be there"
            )
        memory = backend["backend_path"] if backend else file
        try:
            self._deaf = load(value, memory, self.devices)["deaf"]
        except Refused:
            self.ended = 1
            raise
        self.state = "Running" if value.get("resume_vm") else "Paused"
        return DONE

    def patch_drives(self, value: dict[str, Any]) -> Answer:
        self._must_run()
        self.devices.patch_drive(value)
        return DONE

    def patch_network_interfaces(self, value: dict[str, Any]) -> Answer:
        self._must_run()
        self.devices.patch_network(value)
        return DONE
