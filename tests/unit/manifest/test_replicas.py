"""A VM with `replicas`: what is read once, what is read for each, and where things are found again."""

from typing import Any

import pytest
from counting import calls_of, grows_steadily

from vmmcompose.errors import ManifestInvalid
from vmmcompose.manifest import Manifest, parse_manifest
from vmmcompose.manifest.replicas import INDEX, PLAIN_INDEX, filled, marks, split
from vmmcompose.model.choice import Choice


def read(text: str, choice: Choice = Choice()) -> Manifest:  # noqa: B008 - frozen
    return parse_manifest(text.encode(), "vmm.yaml", "/home/ada/shop", choice=choice)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (f"web-{INDEX}.test", "web-12.test"),
        (f"{INDEX}", "12"),
        (f"{PLAIN_INDEX}", 12),
        (f"1.{PLAIN_INDEX}", 1.12),
        (f"n{PLAIN_INDEX}", "n12"),
        ({"a": [f"x{INDEX}", 3], "b": None}, {"a": ["x12", 3], "b": None}),
    ],
)
def test_a_mark_becomes_the_number_and_a_bare_word_what_it_looks_like(value: Any, found: Any) -> None:
    assert filled(value, 12) == found


def test_what_has_no_mark_is_not_copied() -> None:
    value = {"a": ["x", {"b": 1}], "c": f"{INDEX}"}
    assert filled(value, 1)["a"] is value["a"]
    assert filled(value["a"], 1) is value["a"]


def test_marks_are_told_from_what_is_the_same_for_all() -> None:
    entries = {"cpus": 1, "env": {"A": "b", "N": f"x{INDEX}"}, "ports": [f"808{PLAIN_INDEX}:80"]}
    assert split(entries) == ({"cpus": 1}, {"env": entries["env"], "ports": entries["ports"]})
    assert list(marks(entries, ("vms", "web"))) == [("vms", "web", "env", "N"), ("vms", "web", "ports", 0)]


def test_what_is_said_about_a_replica_is_found_at_its_vm() -> None:
    text = (
        "defaults: {image: tiny, memory: 1GiB}\nvms:\n  web:\n    replicas: 2\n    ports: ['8080-8081:80']\n"
    )
    sources = read(text).sources
    own = sources.place(("vms", "web-2", "ports", "*:8081/tcp"))
    inherited = sources.place(("vms", "web-2", "memory"))
    assert own is not None
    assert (own.line, own.column) == (5, 13)
    assert inherited is not None
    assert inherited.line == 1


def test_a_bare_number_in_env_is_taken_as_it_is_written() -> None:
    text = "vms:\n  web:\n    image: tiny\n    replicas: 2\n    env:\n"
    text += "      N: 0${VMM_INDEX}\n      V: 1.${VMM_INDEX}0\n"
    assert [vm.env for vm in read(text).desired.vms] == [
        (("N", "01"), ("V", "1.10")),
        (("N", "02"), ("V", "1.20")),
    ]


def test_keys_are_no_values() -> None:
    with pytest.raises(ManifestInvalid) as caught:
        read("vms: {web: {image: tiny, replicas: 1, env: {'${VMM_INDEX}': x}}}")
    assert [problem.code for problem in caught.value.problems] == ["env-name"]


def test_a_problem_of_a_later_replica_only_is_reported_once() -> None:
    with pytest.raises(ManifestInvalid) as caught:
        read("vms: {web: {image: tiny, replicas: 5000, ip: '172.16.255.${VMM_INDEX}'}}")
    (problem,) = caught.value.problems
    assert "`172.16.255.255`" in problem.message


def test_the_work_grows_with_the_number_of_replicas_and_not_faster() -> None:
    text = """
defaults: {{image: tiny}}
vms:
  web: {{replicas: {0}, ports: ["10000-19999:80"], volumes: ["d:/srv"], depends_on: [db], env: {{N: "${{VMM_INDEX}}"}}}}
  db: {{}}
volumes: {{d: }}
"""
    read(text.format(1))  # what is made once for all of them, the schema for one
    assert grows_steadily(lambda count: calls_of(lambda: read(text.format(count))), 250, 2000)
    assert len(read(text.format(10_000)).desired.vms) == 10_001


def test_the_scale_of_the_command_line_wins_and_says_nothing_of_other_vms() -> None:
    text = "defaults: {image: tiny}\nvms: {web: {replicas: 1}, db: {}}"
    desired = read(text, Choice(scale=(("web", 3), ("db", 3), ("cache", 3)))).desired
    assert [vm.name for vm in desired.vms] == ["db", "web-1", "web-2", "web-3"]
    assert desired.replicas == (("web", 3),)


def test_replicas_are_in_the_order_of_their_numbers() -> None:
    desired = read("vms: {web: {image: tiny, replicas: 11}}").desired
    assert [vm.replica for vm in desired.vms] == [*range(1, 12)]
