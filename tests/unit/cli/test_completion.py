"""Completion: what is offered, that it is quick and silent, and that real shells understand the scripts."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from projects import converged, edit, shop

from vmmcompose.host.records import write_record
from vmmcompose.model.desired import Mount
from vmmcompose.model.paths import Paths

ROOT = Path(__file__).parents[3]
MANIFEST = """\
name: shop
vms:
  # those of the shop
  web: {image: tiny}
  db:
    image: tiny
    ports: ["80:80"]

  cache: {image: tiny}
x-more: {other: 1}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A project's folder; its `web` and `db`, a single VM and another project's are on the host."""
    paths = Paths(PurePosixPath(tmp_path / "data"))
    mounts = (Mount("site", "/srv/site"), Mount("logs", "/srv/logs"))
    records = converged(edit(shop(), "web", mounts=mounts)).records
    records = {name: replace(record, created="2026-01-02T03:04:05Z") for name, record in records.items()}
    for record in records.values():
        write_record(paths, record)
    solo = records["shop-db"]
    write_record(paths, replace(solo, spec=replace(solo.spec, project="", vm="solo", name="solo")))
    write_record(paths, replace(solo, spec=replace(solo.spec, project="bank", vm="vault", name="bank-vault")))
    for name in ("tiny", "debian-12"):
        Path(str(paths.image(name))).parent.mkdir(parents=True, exist_ok=True)
        Path(str(paths.image(name))).write_bytes(b"")
    Path(str(paths.kernel("6.1"))).mkdir(parents=True)
    Path(str(paths.kernel("6.1") / "vmlinux")).write_bytes(b"")
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "vmm"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m vmmcompose "$@"\n')
    script.chmod(0o755)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "vmm.yaml").write_text(MANIFEST)
    return tmp_path / "shop"


def environ(place: Path, **more: str) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("VMM_")}
    path = f"{place.parent / 'bin'}:{os.environ['PATH']}"
    mine = {"PATH": path, "PYTHONPATH": str(ROOT), "VMM_DATA_DIR": str(place.parent / "data"), "TERM": "dumb"}
    return {**clean, **mine, "HOME": str(place.parent), **more}


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
        ("vmm image ", ["list", "build"]),
        ("vmm --data-d", ["--data-dir"]),
        ("vmm up ", ["cache", "db", "solo", "web"]),
        ("vmm up web c", ["cache"]),
        ("vmm up web w", []),
        ("vmm plan --j", ["--json"]),
        ("vmm ssh ", ["db", "solo", "web"]),
        ("vmm ssh web ", []),
        ("vmm -p bank ssh ", ["solo", "vault"]),
        ("vmm -p nothing ssh ", ["solo"]),
        ("vmm logs we", ["web"]),
        ("vmm start so", ["solo"]),
        ("vmm port-forward remove web ", ["8080"]),
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
        ("vmm nonsense ", []),
    ],
)
def test_what_is_offered(place: Path, line: str, expected: list[str]) -> None:
    assert offered(place, line) == expected


def test_outside_of_any_project_all_vms_by_their_names_on_the_host(place: Path) -> None:
    (place.parent / "elsewhere").mkdir()
    assert offered(place.parent / "elsewhere", "vmm ssh ") == ["bank-vault", "shop-db", "shop-web", "solo"]
    assert offered(place.parent / "elsewhere", f"vmm -f {place}/vmm.yaml ssh w") == ["web"]


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
    code = (
        "import sys\nfrom vmmcompose.__main__ import main\nmain()\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} | {name for name in sys.modules if "
        "name.startswith('vmmcompose.')}), file=sys.stderr)"
    )
    question = {"COMP_WORDS": "vmm up ", "COMP_CWORD": "2", "_VMM_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environ(place, **question),
        cwd=place,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "plain,web" in done.stdout
    heavy = {"rich", "yaml", "jsonschema", "pyroute2", "requests", "structlog", "vmmcompose.manifest"}
    assert not heavy & set(eval(done.stderr.splitlines()[-1]))


SETUP = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source <(vmm completion bash)"),
    "zsh": (["zsh", "-f", "-i"], "autoload -U compinit; compinit -D -u; source <(vmm completion zsh)"),
}


@pytest.mark.parametrize("shell", SETUP)
@pytest.mark.parametrize(
    ("typed", "completed"),
    [("vmm ssh we", "vmm ssh web"), ("vmm compl", "vmm completion"), ("vmm up web ca", "vmm up web cache")],
)
def test_the_tab_key_in_a_real_shell(place: Path, shell: str, typed: str, completed: str) -> None:
    """The line is completed, turned into an argument of echo, and run."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is missing")
    argv, setup = SETUP[shell]
    said = typed_into(
        argv, place, f"{setup}; echo rea''dy\n", f"{typed}\t\x01echo got: \x05\n", r"(?m)^got: (.*?) *\r"
    )
    assert said == completed


def typed_into(argv: list[str], place: Path, setup: str, keys: str, answer: str) -> str:
    """Types into an interactive shell on a terminal of its own; what it printed where `answer` has its group."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(place)
        os.execvpe(argv[0], argv, environ(place))
    try:
        os.write(terminal, setup.encode())
        _until(terminal, r"(?m)^ready\r")
        os.write(terminal, keys.encode())
        return _until(terminal, answer)[1]
    finally:
        os.close(terminal)
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def _until(terminal: int, wanted: str) -> re.Match[str]:
    said, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 1)[0]:
            said += os.read(terminal, 65536)
            found = re.search(wanted, said.decode(errors="replace"))
            if found:
                return found
    raise AssertionError(said.decode(errors="replace"))


def test_fish_understands_its_script(place: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is missing")
    program = (
        "vmm completion fish | source; complete --do-complete='vmm ssh w'; complete --do-complete='vmm com'"
    )
    done = subprocess.run(
        ["fish", "--no-config", "-c", program],
        env=environ(place),
        cwd=place,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["web", "completion\tPrint a shell's completion script"]
    assert done.stderr == ""
