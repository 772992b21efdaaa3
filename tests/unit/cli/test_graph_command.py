"""`vmm graph`: with a host and without one, to standard output and into files."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from shop_host import environ, make_shop


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return make_shop(tmp_path)


def vmm(place: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["vmm", *args],
        env=environ(place, **env),
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_it_draws_the_manifest_with_what_the_host_knows(place: Path) -> None:
    done = vmm(place, "graph")
    assert (done.returncode, done.stderr) == (0, "")
    assert "cache<br/>tiny" in done.stdout
    assert "172.16.0.3<br/>● dead" in done.stdout
    assert "vault" not in done.stdout


def test_a_picture_of_another_kind_is_no_mermaid(place: Path) -> None:
    done = vmm(place, "graph", "-o", "shop.png")
    assert done.returncode == 64
    assert "dot -Tpng -o shop.png" in done.stderr
    assert not (place / "shop.png").exists()


def test_without_a_host_it_draws_the_manifest_alone(place: Path) -> None:
    done = vmm(place, "--data-dir", str(place / "nowhere"), "graph", "--format", "dot")
    assert (done.returncode, done.stderr) == (0, "")
    assert "<B>cache</B>" in done.stdout
    assert "172.16.0.3" not in done.stdout
    assert not (place / "nowhere").exists()


def test_records_that_are_out_of_reach_are_told_of(place: Path) -> None:
    (place / "data").mkdir()
    (place / "data" / "vms").write_text("")
    done = vmm(place, "--data-dir", str(place / "data"), "graph")
    assert done.returncode == 0
    assert "not seen: the VMs on this host" in done.stderr
    assert "subgraph" in done.stdout


def test_the_format_follows_the_files_name(place: Path) -> None:
    assert vmm(place, "graph", "-o", "a.dot").stdout == ""
    assert (place / "a.dot").read_text().startswith("digraph vmm {")
    vmm(place, "graph", "-o", "a.mmd")
    assert (place / "a.mmd").read_text().startswith("flowchart LR")
    vmm(place, "graph", "-o", "a.txt", "--format", "dot")
    assert (place / "a.txt").read_text() == (place / "a.dot").read_text()


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_an_svg(place: Path) -> None:
    assert vmm(place, "graph", "-o", "a.svg").returncode == 0
    assert "</svg>" in (place / "a.svg").read_text()


def test_a_folder_that_is_not_there(place: Path) -> None:
    done = vmm(place, "graph", "-o", "no/where.dot")
    assert done.returncode == 1
    assert "cannot write no/where.dot" in done.stderr


def test_a_manifest_with_problems_is_told_as_everywhere(place: Path) -> None:
    (place / "vmm.yaml").write_text("name: shop\nvms:\n  web: {image: tiny, cpu: 2}\n")
    done = vmm(place, "graph")
    assert (done.returncode, done.stdout) == (65, "")
    assert "vmm.yaml:3:" in done.stderr


def test_a_plan_with_problems_is_refused_as_by_plan(place: Path) -> None:
    done = vmm(place, "--log-format", "json", "graph", "--plan")
    assert (done.returncode, done.stdout) == (1, "")
    assert "in the way" in json.loads(done.stderr.splitlines()[-1])["message"]
