"""Exports: no key of the manifest is lost silently, replicas alike are one service, and texts stay texts."""

import json
import re
from dataclasses import fields, replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vmmcompose.cli.export import TARGETS as OFFERED
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
from vmmcompose.model.units import command_line
from vmmcompose.render.export import TARGETS, Installation, export
from vmmcompose.render.export.hcltext import Attribute, Block, Template, Word, text_of
from vmmcompose.render.export.services import service_names, services
from vmmcompose.render.export.values import DECLARED, UNDECLARED
from vmmcompose.render.export.yamltext import document

SET = {
    "image": "debian-12",
    "kernel": "6.1",
    "boot_args": "quiet",
    "hypervisor": "firecracker",
    "disk_mib": 4096,
    "ssh_keys": ("ssh-ed25519 AAAA",),
    "hostname": "h",
    "ip": "172.16.0.9",
    "mounts": (Mount("a", "/a"),),
    "depends_on": (Dependency("other"),),
    "env": (("A", "1"),),
    "files": (GuestFile("/etc/a", "a"),),
    "watch": (WatchRule("/srv/a", "restart"),),
    "provision": (Provision("a", "true"),),
    "restart": "no",
    "prevent_delete": True,
    "max_unavailable": 2,
}
"""A value for each field that some target loses."""


def notes_of(target: str, *vms: DesiredVm) -> list[str]:
    result = export(Desired("p", vms, volumes=(Volume("v"),)), target, Installation())
    return [note.message for note in result.notes]


def test_the_command_offers_what_there_is() -> None:
    assert set(OFFERED) == set(TARGETS)


def test_every_field_is_either_declared_or_says_which_vm_it_is() -> None:
    assert {field.name for field in fields(DesiredVm)} == DECLARED | UNDECLARED


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_says_of_every_field_what_becomes_of_it(name: str) -> None:
    target = TARGETS[name]
    assert target.carried | target.partly | target.lost.keys() == DECLARED
    assert not target.carried & target.partly
    assert not target.lost.keys() & (target.carried | target.partly)


@pytest.mark.parametrize(("name", "field"), [(name, f) for name in TARGETS for f in TARGETS[name].lost])
def test_what_is_lost_is_told_where_it_is_set(name: str, field: str) -> None:
    plain, told = DesiredVm("web", "tiny"), "vm/web: "
    changed = replace(plain, **{field: SET[field]})  # type: ignore[arg-type]
    more = set(notes_of(name, changed)) - set(notes_of(name, plain))
    if field == "image":
        more = set(notes_of(name, plain))
    key = {"disk_mib": "disk", "prevent_delete": "lifecycle.prevent_delete"}.get(field, field)
    key = {"max_unavailable": "update.max_unavailable"}.get(field, key)
    assert any(message.startswith(f"{told}{key}: ") for message in more)


def test_profiles_that_are_not_chosen_are_told_of() -> None:
    desired = Desired("p", (), inactive=(DesiredVm("mail", "tiny", profiles=("debug",)),))
    for name in ("kubevirt", "nomad", "systemd"):
        assert [note.message for note in export(desired, name, Installation()).notes] == [
            "vm/mail: profiles: its profiles are not chosen, so it is left out"
        ]
    (file,) = export(desired, "compose-services", Installation()).files
    assert yaml.safe_load(file.text)["services"]["mail"]["profiles"] == ["debug"]


def webs(count: int, **changes: object) -> list[DesiredVm]:
    vm = DesiredVm("web-1", "tiny", ports=(Forward(8080, 80),), replica_of="web", replica=1)
    found = [
        replace(vm, name=f"web-{n}", replica=n, ports=(Forward(8079 + n, 80),)) for n in range(1, count + 1)
    ]
    found[-1] = replace(found[-1], **changes)  # type: ignore[arg-type]
    return found


def test_replicas_that_are_alike_are_one_service() -> None:
    found = services([*webs(3), DesiredVm("db", "tiny")])
    assert [(service.name, service.count) for service in found] == [("db", 1), ("web", 3)]
    assert service_names(found)["web-2"] == "web"


@pytest.mark.parametrize(
    "changes",
    [
        {"env": (("INDEX", "3"),)},
        {"ports": (Forward(9999, 80),)},
        {"memory_mib": 1024},
        {"hostname": "third"},
        {"volumes": (Attachment("data-3", "/data"),)},
    ],
)
def test_replicas_that_differ_are_a_service_each(changes: dict[str, object]) -> None:
    assert [service.name for service in services(webs(3, **changes))] == ["web-1", "web-2", "web-3"]


def test_replicas_share_a_volume_only_to_read() -> None:
    shared = [replace(vm, volumes=(Attachment("v", "/v", "ro"),)) for vm in webs(2)]
    assert len(services(shared)) == 1
    assert len(services([replace(vm, volumes=(Attachment("v", "/v"),)) for vm in shared])) == 2


def test_a_single_replica_is_a_service_of_the_common_name() -> None:
    assert [(service.name, service.count) for service in services(webs(1))] == [("web", 1)]


HOSTILE = st.one_of(
    st.text(),
    st.sampled_from(["${x}", "$${", "%{if}", '"', "\\", "\n", "$", "%", "no", "012", "1e3", "~", "|"]),
)


@given(HOSTILE)
def test_hcl_texts_read_back(text: str) -> None:
    written = text_of([Block("a", (), (Attribute("b", text),))]).split("\n")[1].removeprefix("  b = ")
    assert not re.search(r"(?<!\$)\$\{(?!.*\$\$\{)", written.replace("$${", ""))
    plain = written.replace("$${", "${").replace("%%{", "%{")
    assert json.loads(plain) == re.sub("[\ud800-\udfff]", "\ufffd", text)


def test_only_the_writers_own_words_are_expressions() -> None:
    value = Template(("${mine}", Word("var.x"), '"'))
    assert (
        text_of([Block("a", ("l",), (Attribute("b", value),))]) == 'a "l" {\n  b = "$${mine}${var.x}\\""\n}\n'
    )


@given(st.dictionaries(HOSTILE, st.one_of(HOSTILE, st.lists(HOSTILE), st.integers(), st.booleans())))
def test_yaml_reads_back_as_it_was(value: dict[str, object]) -> None:
    clean = json.loads(re.sub(r"\\ud[89a-f][0-9a-f]{2}", "x", json.dumps(value)))
    assert yaml.safe_load(document(clean)) == clean


@pytest.mark.parametrize(
    "text", ["no", "0o17", "0x1f", "1_000", "22:22", "1.5", "~", "null", ".inf", "1e3", "+1", "2026-01-01"]
)
def test_what_any_reader_of_yaml_could_take_for_something_else_is_quoted(text: str) -> None:
    assert document([text]) == f"- '{text}'\n"


@given(HOSTILE)
def test_compose_never_takes_a_value_for_a_variable(text: str) -> None:
    clean = re.sub("[\ud800-\udfff]", "x", text)
    vm = DesiredVm("web", "tiny", env=(("A", clean),), healthcheck=Healthcheck(command=(clean,)))
    (file,) = export(Desired("p", (vm,)), "compose-services", Installation()).files
    service = yaml.safe_load(file.text)["services"]["web"]
    assert service["environment"]["A"] == clean.replace("$", "$$")
    assert service["healthcheck"]["test"] == ["CMD", clean.replace("$", "$$")]


def test_a_unit_takes_words_literally() -> None:
    assert command_line(("/a b/vmm", '50%"$x\\')) == '"/a b/vmm" "50%%\\"$$x\\\\"'
