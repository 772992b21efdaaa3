"""`vmm export`: where the files go, and how it is told what they leave out."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from shop_host import environ, make_shop

MANIFEST = """\
name: shop
vms:
  web:
    image: tiny
    ip: 172.16.0.9
    ports: ["8080:80"]
    files: [{path: /etc/app.conf, source: ./app.conf}]
  db: {image: tiny}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = make_shop(tmp_path)
    (folder / "vmm.yaml").write_text(MANIFEST)
    (folder / "app.conf").write_text("port = 80\n")
    return folder


def vmm(place: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["vmm", *args],
        env=environ(place),
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_a_file_to_standard_output_and_what_it_leaves_out_beside_it(place: Path) -> None:
    done = vmm(place, "export", "--to", "compose-services")
    assert done.returncode == 0
    value = yaml.safe_load(done.stdout)
    assert value["configs"]["web-etc-app.conf"]["content"] == "port = 80\n"
    assert "note[not-exported]: vm/web: ip: services reach each other by name" in done.stderr
    assert "vmm.yaml:5:" in done.stderr


def test_into_a_file(place: Path) -> None:
    done = vmm(place, "export", "--to", "nomad", "-o", "job.hcl")
    assert (done.returncode, done.stdout) == (0, "")
    assert 'job "shop"' in (place / "job.hcl").read_text()


def test_into_a_folder_that_is_made(place: Path) -> None:
    assert vmm(place, "export", "--to", "systemd", "-o", "units").returncode == 0
    assert {file.name for file in (place / "units").iterdir()} == {
        "vmm-shop.target",
        "vmm-shop-db.service",
        "vmm-shop-web.service",
    }
    assert (
        f'"--data-dir" "{place.parent}/data" "-p" "shop" "start" "web"'
        in (place / "units" / "vmm-shop-web.service").read_text()
    )


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize(("target", "others"), [("compose-services", 0), ("nomad", 0o44), ("systemd", 0o44)])
def test_what_holds_values_of_env_and_contents_of_files_is_for_its_owner_only(
    place: Path, target: str, others: int
) -> None:
    assert vmm(place, "export", "--to", target, "-o", "out/").returncode == 0
    assert {file.stat().st_mode & 0o44 for file in (place / "out").iterdir()} == {others & ~umask()}


def test_one_file_into_a_folder(place: Path) -> None:
    assert vmm(place, "export", "--to", "kubevirt", "-o", "k8s/").returncode == 0
    assert list(yaml.safe_load_all((place / "k8s" / "shop.yaml").read_text()))


def test_several_files_to_standard_output_have_their_names_above(place: Path) -> None:
    done = vmm(place, "export", "--to", "systemd")
    assert [line for line in done.stdout.splitlines() if line.startswith("# vmm-")] == [
        "# vmm-shop.target",
        "# vmm-shop-db.service",
        "# vmm-shop-web.service",
    ]


def test_strict_writes_nothing_where_anything_is_left_out(place: Path) -> None:
    done = vmm(place, "export", "--to", "kubevirt", "-o", "out.yaml", "--strict")
    assert done.returncode == 1
    assert "error[not-exported]: vm/web: ip:" in done.stderr
    assert "keys cannot be exported; nothing was written" in done.stderr
    assert not (place / "out.yaml").exists()


def test_strict_is_content_where_nothing_is(place: Path) -> None:
    assert vmm(place, "export", "--to", "systemd", "--strict").returncode == 0


def test_a_file_that_is_not_there_is_told_as_by_plan(place: Path) -> None:
    (place / "app.conf").unlink()
    done = vmm(place, "export", "--to", "kubevirt")
    assert (done.returncode, done.stdout) == (1, "")
    assert "error[no-such-file]: VM `web`: cannot read" in done.stderr
    assert vmm(place, "export", "--to", "nomad").returncode == 0


def test_where_it_cannot_be_written(place: Path) -> None:
    done = vmm(place, "export", "--to", "systemd", "-o", "app.conf")
    assert done.returncode == 1
    assert "cannot make app.conf" in done.stderr


def test_an_engine_that_is_not_known(place: Path) -> None:
    done = vmm(place, "export", "--to", "docker")
    assert done.returncode == 64
    assert "compose-services" in done.stderr
