"""Records and projects as JSON values and back: the one place that knows the stored shape.

A record has two parts: what every user of the host may read, and the values of `env`, the contents of `files` and
the scripts of `provision`, which only root may.
"""

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from vmmcompose.model.desired import (
    Attachment,
    Dependency,
    Desired,
    DesiredVm,
    Forward,
    GuestFile,
    Healthcheck,
    Mount,
    Provision,
    Volume,
    WatchRule,
)
from vmmcompose.model.peers import Peers, peers_of
from vmmcompose.model.record import SCHEMA_VERSION, Process, Record
from vmmcompose.model.shape import require_record
from vmmcompose.model.snapshot import SCHEMA_VERSION as SNAPSHOT_VERSION
from vmmcompose.model.snapshot import Snapshot
from vmmcompose.model.spec import VmSpec

Json = dict[str, Any]


def record_to_json(record: Record) -> tuple[Json, Json]:
    """The public and the secret part; the secret part is empty where there is nothing to hide."""
    spec = record.spec
    secret: Json = {}
    if spec.env or spec.files or spec.provision:
        secret = {"env": [list(pair) for pair in spec.env], "files": [asdict(file) for file in spec.files]}
        secret["provision"] = [asdict(script) for script in spec.provision]
    public = asdict(replace(record, spec=replace(spec, env=(), files=(), provision=(), peers=Peers())))
    public["spec"]["peers"] = spec.peers.digest
    del public["sealed"]
    return {"schema_version": SCHEMA_VERSION, **public, "has_secrets": bool(secret)}, secret


def record_from_json(public: Json, secret: Json | None) -> Record:
    """The record of both parts; `secret` is None where it could not be read, which seals the record.

    Raises:
        KeyError, TypeError, ValueError: this is no record of ours.
    """
    if public["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"schema version {public['schema_version']}, this vmm writes {SCHEMA_VERSION}")
    process = Process(**public["process"]) if public["process"] else None
    record = Record(
        spec=_spec(public["spec"], secret or {}),
        state=public["state"],
        process=process,
        created=public["created"],
        started=public["started"],
        health=public["health"],
        sealed=secret is None,
    )
    require_record(record)
    return record


def snapshot_to_json(snapshot: Snapshot) -> tuple[Json, Json]:
    """The public and the secret part, as of a record."""
    public, secret = record_to_json(snapshot.record)
    value = {key: getattr(snapshot, key) for key in ("name", "created", "root", "cpu")}
    return {"schema_version": SNAPSHOT_VERSION, **value, "record": public}, secret


def snapshot_from_json(public: Json, secret: Json | None) -> Snapshot:
    """The snapshot of both parts.

    Raises:
        KeyError, TypeError, ValueError: this was not made by `snapshot_to_json`.
    """
    if public["schema_version"] != SNAPSHOT_VERSION:
        raise ValueError(f"schema version {public['schema_version']}, this vmm writes {SNAPSHOT_VERSION}")
    texts = {key: public[key] for key in ("name", "created", "root", "cpu")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise TypeError("its fields are not all texts")
    return Snapshot(record=record_from_json(public["record"], secret), **texts)


def desired_to_json(desired: Desired) -> Json:
    """A project as its manifest says it; what was added by hand is no part of it."""
    value = asdict(desired)
    for vm in (*value["vms"], *value["inactive"]):
        del vm["added_ports"]
    return value


def desired_from_json(value: Json) -> Desired:
    """The project again.

    Raises:
        KeyError, TypeError, ValueError: this was not made by `desired_to_json`.
    """
    vms, inactive = (
        tuple(DesiredVm(**{**vm, **_nested(vm), **_of_vms(vm)}) for vm in value[key])
        for key in ("vms", "inactive")
    )
    volumes = tuple(Volume(**volume) for volume in value["volumes"])
    replicas = tuple((vm, int(count)) for vm, count in value["replicas"])
    return Desired(value["project"], vms, value["base_dir"], volumes, inactive, replicas)


def _of_vms(value: Json) -> Json:
    """The fields that a desired VM has and no spec."""
    rules = (
        WatchRule(**{**rule, "ignore": tuple(rule["ignore"]), "command": tuple(rule["command"])})
        for rule in value.get("watch", ())
    )
    return {"profiles": tuple(value["profiles"]), "watch": tuple(rules)}


def _spec(value: Json, secret: Json) -> VmSpec:
    hidden: Json = {key: secret.get(key, ()) for key in ("env", "files", "provision")}
    nested = {
        "resolvers": tuple(value["resolvers"]),
        "peers": _peers(value["peers"]),
        "added_ports": _forwards(value.get("added_ports", ())),  # older records have none
    }
    return VmSpec(**{**value, **_nested({**value, **hidden}), **nested})


def _nested(value: Json) -> Json:
    """The fields that a desired VM and a spec share and that are more than text or a number."""
    check = value["healthcheck"]
    return {
        "ssh_keys": tuple(value["ssh_keys"]),
        "dns": tuple(value["dns"]),
        "mounts": tuple(
            Mount(**{**mount, "ignore": tuple(mount.get("ignore", ()))}) for mount in value["mounts"]
        ),
        "ports": _forwards(value["ports"]),
        "depends_on": tuple(Dependency(**dependency) for dependency in value["depends_on"]),
        "healthcheck": Healthcheck(**{**check, "command": tuple(check["command"])}) if check else None,
        "labels": _pairs(value["labels"]),
        "env": _pairs(value["env"]),
        "files": tuple(GuestFile(**file) for file in value["files"]),
        "volumes": tuple(Attachment(**volume) for volume in value.get("volumes", ())),
        "provision": tuple(Provision(**script) for script in value["provision"]),
    }


def _peers(value: Any) -> Peers:  # noqa: ANN401 - a digest; older records hold the names themselves
    return Peers(value) if isinstance(value, str) else peers_of(_pairs(value))


def _forwards(value: Iterable[Json]) -> tuple[Forward, ...]:
    return tuple(Forward(**forward) for forward in value)


def _pairs(value: Iterable[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple([(key, item) for key, item in value])
