"""Records and projects come back from JSON as they were, whatever text is in them."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from vmmcompose.model.codec import (
    desired_from_json,
    desired_to_json,
    record_from_json,
    record_to_json,
)
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
from vmmcompose.model.paths import tap_name
from vmmcompose.model.peers import peers_of
from vmmcompose.model.record import Process, Record
from vmmcompose.model.spec import VmSpec, host_name

TEXT = st.text(max_size=12)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=12)  # with lone surrogates
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True)
TAGS = st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,6}[a-z0-9])?", fullmatch=True)
ADDRESSES = st.ip_addresses(v=4).map(str)
PORTS = st.integers(1, 65535)
PATHS = TEXT.map(lambda text: "/" + text)
CONDITIONS = st.sampled_from(("started", "healthy", "provisioned"))
SECONDS = st.floats(0.1, 3600)
CHECKS = st.one_of(
    st.builds(Healthcheck, tcp=PORTS, interval_s=SECONDS, timeout_s=SECONDS),
    st.builds(Healthcheck, http=PORTS.map(lambda port: f"{port}/x"), interval_s=SECONDS, timeout_s=SECONDS),
    st.builds(Healthcheck, command=st.lists(TEXT, min_size=1, max_size=3).map(tuple)),
)


def tuples(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(items, max_size=3).map(tuple)


SHARED: dict[str, st.SearchStrategy[Any]] = {
    "image": TEXT,
    "kernel": TEXT,
    "boot_args": TEXT,
    "cpus": st.integers(1, 32),
    "memory_mib": st.integers(1, 2**20),
    "disk_mib": st.integers(1, 2**24),
    "hostname": TEXT,
    "ssh_keys": tuples(TEXT),
    "dns": tuples(ADDRESSES),
    "mounts": tuples(
        st.builds(
            Mount,
            TAGS,
            PATHS,
            st.sampled_from(("ro", "rw")),
            st.sampled_from(("none", "push", "two-way")),
            tuples(TEXT),
            TEXT,
            st.one_of(st.just(""), PATHS),
        )
    ),
    "ports": tuples(
        st.builds(Forward, PORTS, PORTS, st.sampled_from(("tcp", "udp")), st.one_of(st.just(""), ADDRESSES))
    ),
    "depends_on": tuples(
        st.builds(Dependency, NAMES, st.sampled_from(("started", "healthy", "provisioned")), st.booleans())
    ),
    "healthcheck": st.one_of(st.none(), CHECKS),
    "labels": tuples(st.tuples(TEXT, ANY_TEXT)),
    "env": tuples(st.tuples(TEXT, ANY_TEXT)),
    "files": tuples(st.builds(GuestFile, PATHS, ANY_TEXT, TEXT, st.integers(0, 0o7777))),
    "volumes": tuples(st.builds(Attachment, TAGS, PATHS, st.sampled_from(("ro", "rw")))),
    "provision": tuples(st.builds(Provision, TEXT, ANY_TEXT, TEXT)),
    "restart": st.sampled_from(("no", "on-failure", "always")),
    "stop_grace_s": SECONDS,
    "prevent_delete": st.booleans(),
    "replica_of": st.one_of(st.just(""), NAMES),
    "replica": st.integers(0, 10_000),
    "max_unavailable": st.integers(1, 10_000),
}


@st.composite
def specs(draw: st.DrawFn) -> VmSpec:
    project, vm = draw(st.one_of(st.just(""), NAMES)), draw(NAMES)
    vm_id = draw(st.text("0123456789abcdef", min_size=12, max_size=12))
    return VmSpec(
        name=host_name(project, vm),
        id=vm_id,
        project=project,
        vm=vm,
        driver=draw(st.sampled_from(("qemu", "firecracker"))),
        ip=draw(ADDRESSES),
        prefix_len=draw(st.integers(1, 30)),
        gateway=draw(ADDRESSES),
        mac="06:00:ac:10:00:02",
        tap=tap_name(vm_id),
        resolvers=draw(tuples(ADDRESSES)),
        added_ports=draw(SHARED["ports"]),
        peers=peers_of(draw(tuples(st.tuples(NAMES, ADDRESSES)))),
        **{name: draw(strategy) for name, strategy in SHARED.items()},
    )


RECORDS = st.builds(
    Record,
    specs(),
    st.sampled_from(("creating", "starting", "running", "paused", "stopping", "stopped", "deleting")),
    st.one_of(st.none(), st.builds(Process, st.integers(1, 2**22), st.integers(0, 2**60), TEXT)),
    created=TEXT,
    started=TEXT,
    health=st.sampled_from(("", "healthy", "unhealthy")),
)
VMS = st.builds(
    DesiredVm,
    name=NAMES,
    ip=st.one_of(st.just(""), ADDRESSES),
    watch=tuples(
        st.builds(
            WatchRule,
            PATHS,
            st.sampled_from(("sync", "run", "restart", "rebuild")),
            TEXT,
            tuples(TEXT),
            tuples(TEXT),
        )
    ),
    hypervisor=TEXT,
    power=st.sampled_from(("running", "stopped", "absent")),
    profiles=tuples(TEXT),
    **SHARED,
)


def through_a_file(value: Any) -> Any:
    return json.loads(json.dumps(value))


@given(RECORDS)
def test_a_record_comes_back(record: Record) -> None:
    public, secret = record_to_json(record)
    assert record_from_json(through_a_file(public), through_a_file(secret)) == record


@given(RECORDS)
def test_without_the_secrets_a_record_says_so_and_nothing_else_is_missing(record: Record) -> None:
    public, _ = record_to_json(record)
    hidden = replace(record, spec=replace(record.spec, env=(), files=(), provision=()), sealed=True)
    assert record_from_json(through_a_file(public), None) == hidden


@given(RECORDS)
def test_no_secret_is_in_the_public_part(record: Record) -> None:
    secret = "longer than any other text here"
    spec = replace(record.spec, env=(("KEY", secret),), files=(GuestFile("/etc/x", secret),))
    spec = replace(spec, provision=(Provision("install", secret),))
    public, hidden = record_to_json(replace(record, spec=spec))
    assert secret not in json.dumps(public)
    assert json.dumps(hidden).count(secret) == 3


@given(
    st.builds(
        Desired,
        NAMES,
        tuples(VMS),
        PATHS,
        tuples(st.builds(Volume, TAGS, st.integers(0, 999))),
        tuples(VMS),
        tuples(st.tuples(NAMES, st.integers(0, 10_000))),
    )
)
def test_a_project_comes_back(desired: Desired) -> None:
    assert desired_from_json(through_a_file(desired_to_json(desired))) == desired
