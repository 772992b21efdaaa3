"""Completion: what is offered for a line, and that it is quick and silent."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from shop_host import environ, make_shop

from vmmcompose.host.records import read_record, write_record
from vmmcompose.model.desired import Forward
from vmmcompose.model.paths import Paths
from vmmcompose.model.record import Record


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return make_shop(tmp_path)


def asked(place: Path, line: str, **more: str) -> subprocess.CompletedProcess[str]:
    """What the script of bash hears for a line; its last word is the one that is being typed."""
    words = line.split(" ")
    question = {
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_VMM_COMPLETE": "bash_complete",
    }
    return subprocess.run(
        ["vmm"],
        env=environ(place, **question, **more),
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )


def offered(place: Path, line: str, **more: str) -> list[str]:
    done = asked(place, line, **more)
    assert done.stderr == ""
    return [word.removeprefix("plain,") for word in done.stdout.splitlines() if word]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("vmm pl", ["plan"]),
        ("vmm image b", ["build"]),
        ("vmm --data-d", ["--data-dir"]),
        ("vmm up ", ["cache", "db", "solo", "web"]),
        ("vmm up web c", ["cache"]),
        ("vmm up web w", []),
        ("vmm plan --j", ["--json"]),
        ("vmm graph --format ", ["mermaid", "dot", "svg"]),
        ("vmm export --to k", ["kubevirt"]),
        ("vmm ssh ", ["db", "solo", "web"]),
        ("vmm ssh web ", []),
        ("vmm -p bank ssh ", ["solo", "vault"]),
        ("vmm -p nothing ssh ", ["solo"]),
        ("vmm logs we", ["web"]),
        ("vmm start so", ["solo"]),
        ("vmm port-forward remove web ", ["8080"]),
        ("vmm adopt ", ["old"]),
        ("vmm snapshot delete web ", ["before"]),
        ("vmm kernel delete ", ["6.1"]),
        ("vmm mount sync web ", ["logs", "site"]),
        ("vmm mount sync web site ", ["logs"]),
        ("vmm create new --image ", ["debian-12", "tiny"]),
        ("vmm create new --kernel 6", ["6.1"]),
        ("vmm config set hy", ["hypervisor"]),
        ("vmm config set hypervisor f", ["firecracker"]),
        ("vmm config set hypervisor qemu sub", ["subnet"]),
        ("vmm config unset vm_defaults.c", ["vm_defaults.cpus"]),
        ("vmm completion ", ["bash", "zsh", "fish"]),
        ("vmm plan --refresh f", ["false"]),
        ("vmm nonsense ", []),
    ],
)
def test_what_is_offered(place: Path, line: str, expected: list[str]) -> None:
    assert offered(place, line) == expected


def test_outside_of_any_project_all_vms_by_their_names_on_the_host(place: Path) -> None:
    (place.parent / "elsewhere").mkdir()
    assert offered(place.parent / "elsewhere", "vmm ssh ") == ["bank-vault", "shop-db", "shop-web", "solo"]
    assert offered(place.parent / "elsewhere", f"vmm -f {place}/vmm.yaml ssh w") == ["web"]


def test_vms_of_all_manifests(place: Path) -> None:
    (place / "vmm.override.yaml").write_text("vms:\n  wax: {image: tiny}\n")
    (place / "more.yaml").write_text("vms:\n  wood: {image: tiny}\n")
    assert offered(place, "vmm up w") == ["wax", "web"]
    assert offered(place, "vmm -f vmm.yaml -f more.yaml up w") == ["web", "wood"]


def test_profiles_of_all_manifests(place: Path) -> None:
    dashes = '    profiles:\n      - ci  # slow\n      - "demo"\n    cpus: 1\n'
    text = f"vms:\n  wax: {{profiles: [debug, trace]}}\n  web:\n{dashes}"
    (place / "vmm.override.yaml").write_text(text)
    assert offered(place, "vmm --profile ") == ["ci", "debug", "demo", "trace"]
    assert offered(place, "vmm --profile debug --profile d") == ["demo"]


def test_forwards_added_by_hand_can_be_taken_away(place: Path) -> None:
    paths = Paths(PurePosixPath(place.parent / "data"))
    record = read_record(paths, "shop-web")
    assert isinstance(record, Record)
    write_record(paths, replace(record, spec=replace(record.spec, added_ports=(Forward(2222, 22),))))
    assert offered(place, "vmm port-forward remove web ") == ["2222", "8080"]


def test_stores_and_tags(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offered by options and arguments of this form, whichever command has them."""
    import click

    from vmmcompose.cli import complete

    monkeypatch.chdir(place)
    command = click.Command(
        "x",
        params=[
            click.Argument(["vm"], shell_complete=complete.vms),
            click.Argument(["tag"], shell_complete=complete.tags),
            click.Option(["--image"], shell_complete=complete.images),
            click.Option(["--kernel"], shell_complete=complete.kernels),
        ],
    )
    root = click.Group("vmm", params=[click.Option(["--data-dir"])], commands=[command])

    def names(*words: str, last: str = "") -> list[str]:
        from click.shell_completion import ShellComplete

        given = ["--data-dir", str(place.parent / "data"), "x", *words]
        return [item.value for item in ShellComplete(root, {}, "vmm", "_X").get_completions(given, last)]

    assert names("web") == ["logs", "site"]
    assert names("shop-web", last="s") == ["site"]
    assert names("db") == []
    assert names("no-such-vm") == []
    assert names("--image") == ["debian-12", "tiny"]
    assert names("--kernel") == ["6.1"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda place: (place / "vmm.yaml").write_bytes(b"\xff\xfe vms: [\n"),
        lambda place: (place / "vmm.yaml").write_text("vms:\n\t- x\n" * 9),
        lambda place: (place.parent / "data" / "vms" / "shop-web.json").write_text("{"),
        lambda place: shutil.rmtree(place.parent / "data"),
        lambda place: (place / "vmm.yaml").unlink(),
    ],
)
def test_nothing_is_said_where_something_is_wrong(place: Path, spoil: object) -> None:
    assert callable(spoil)
    spoil(place)
    for line in ("vmm up ", "vmm ssh "):
        assert asked(place, line).stderr == ""


def test_bad_settings_and_bad_questions_are_silent(place: Path) -> None:
    assert offered(place, "vmm ssh ", VMM_SUBNET="banana") == []
    for question in ("bash_", "tcsh_complete", "nonsense", "bash_complete_more"):
        done = subprocess.run(
            ["vmm"],
            env=environ(place, _VMM_COMPLETE=question),
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout, done.stderr) == ("", "")


def test_every_name_on_a_command_line_is_completed() -> None:
    """A new command's VM, image, kernel or tag has a `shell_complete` out of `cli/complete.py`."""
    import click

    from vmmcompose.cli.main import vmm

    def parameters(group: click.Group, words: str) -> Iterator[tuple[str, click.Parameter]]:
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            if isinstance(command, click.Group):
                yield from parameters(command, f"{words} {name}")
            for parameter in command.params:
                yield f"{words} {name} {parameter.human_readable_name}", parameter

    names = {"vm", "vms", "tag", "tags", "image", "kernel"}
    found = [(words, one) for words, one in parameters(vmm, "vmm") if one.name in names]
    assert len(found) > 15
    assert [words for words, one in found if not one._custom_shell_complete] == []


def test_nothing_heavy_is_imported(place: Path) -> None:
    question = {"COMP_WORDS": "vmm up ", "COMP_CWORD": "2", "_VMM_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "vmmcompose"],
        env=environ(place, **question),
        cwd=place,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "plain,web" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "vmmcompose.cli.completion" in imported
    heavy = {"rich", "yaml", "jsonschema", "pyroute2", "requests", "structlog", "vmmcompose.manifest"}
    assert not heavy & imported
