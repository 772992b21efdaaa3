"""Records as JSON values and back: the one place that knows the stored shape.

A record has two parts: what every user of the host may read, and the values of `env` and the contents of
`files`, which only root may.
"""

from dataclasses import asdict, replace
from typing import Any

from vmmcompose.model.desired import Dependency, Forward, GuestFile, Healthcheck, Mount
from vmmcompose.model.record import SCHEMA_VERSION, Process, Record
from vmmcompose.model.spec import VmSpec

Json = dict[str, Any]


def record_to_json(record: Record) -> tuple[Json, Json]:
    """The public and the secret part; the secret part is empty where there is nothing to hide."""
    spec = record.spec
    secret: Json = {}
    if spec.env or spec.files:
        secret = {"env": [list(pair) for pair in spec.env], "files": [asdict(file) for file in spec.files]}
    public = asdict(replace(record, spec=replace(spec, env=(), files=())))
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
    return Record(
        spec=_spec(public["spec"], secret or {}),
        state=public["state"],
        process=process,
        created=public["created"],
        started=public["started"],
        health=public["health"],
        sealed=secret is None,
    )


def _spec(value: Json, secret: Json) -> VmSpec:
    check = value["healthcheck"]
    nested: Json = {
        "ssh_keys": tuple(value["ssh_keys"]),
        "dns": tuple(value["dns"]),
        "resolvers": tuple(value["resolvers"]),
        "mounts": tuple(Mount(**mount) for mount in value["mounts"]),
        "ports": tuple(Forward(**forward) for forward in value["ports"]),
        "depends_on": tuple(Dependency(**dependency) for dependency in value["depends_on"]),
        "healthcheck": Healthcheck(**{**check, "command": tuple(check["command"])}) if check else None,
        "labels": _pairs(value["labels"]),
        "peers": _pairs(value["peers"]),
        "env": _pairs(secret.get("env", ())),
        "files": tuple(GuestFile(**file) for file in secret.get("files", ())),
    }
    return VmSpec(**{**value, **nested})


def _pairs(value: Any) -> tuple[tuple[str, str], ...]:  # noqa: ANN401 - it is JSON
    return tuple((str(key), str(item)) for key, item in value)
