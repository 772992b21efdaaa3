"""The examples as a reader of their READMEs would run them."""

import json

import pytest
from lab import Lab, eventually
from watching import watching

pytestmark = [pytest.mark.root, pytest.mark.guest]


def test_hello_serves_the_mounted_folder(hello: Lab) -> None:
    page = (hello.project / "site" / "index.html").read_text()
    assert hello.get("http://127.0.0.1:8080/") == page
    assert hello.vmm("plan", "--detailed-exitcode").stdout.startswith("Nothing to do")


def test_two_tier_waits_for_the_one_behind_and_reaches_it_by_name(two_tier: Lab) -> None:
    before = two_tier.traces()
    said = two_tier.vmm("up").stderr
    assert said.index("db: healthy") < said.index("web: starting")
    assert "127.0.0.1:8081 -> web:80" in said
    assert two_tier.vmm("exec", "web", "--", "wget", "-q", "-O", "-", "http://db/").stdout == "answer: 42\n"
    assert "The front of two" in two_tier.get("http://127.0.0.1:8081/")
    vms = json.loads(two_tier.vmm("ps", "--json").stdout)["vms"]
    assert [(vm["vm"], vm["state"], vm["health"]) for vm in vms] == [
        ("db", "running", "healthy"),
        ("web", "running", "healthy"),
    ]
    two_tier.vmm("down")
    assert two_tier.traces() == before


def test_replicas_have_their_own_ports_and_pages_and_the_volume_outlives_its_vm(replicas: Lab) -> None:
    replicas.vmm("up")
    pages = [replicas.get(f"http://127.0.0.1:{port}/").splitlines() for port in (8082, 8083)]
    assert [page[0] for page in pages] == [f"web-{number} found this in the store:" for number in (1, 2)]
    assert pages[0][1].startswith("first written")
    assert pages[0][1] == pages[1][1]
    assert replicas.vmm("plan", "--detailed-exitcode").stdout.startswith("Nothing to do")

    replicas.vmm("up", "--recreate", "--allow-data-loss", "store")
    kept = replicas.vmm("exec", "store", "--", "cat", "/srv/www/index.html").stdout
    assert kept.splitlines() == [pages[0][1]]

    said = replicas.vmm("plan", "--scale", "web=1").stdout
    assert "vm/web-2" in said
    assert "web has 1 replica" in said
    replicas.vmm("up", "--scale", "web=1")
    assert {vm["vm"] for vm in json.loads(replicas.vmm("ps", "--json").stdout)["vms"]} == {"store", "web-1"}
    assert replicas.vmm("exec", "web", "--", "hostname").stdout == "web-1\n"
    replicas.vmm("down")
    assert json.loads(replicas.vmm("ps", "--json").stdout)["vms"] == []


def test_develop_makes_its_page_of_what_is_edited(develop: Lab) -> None:
    def page() -> list[str]:
        return develop.get("http://127.0.0.1:8084/").splitlines()

    develop.vmm("up")
    with watching(develop) as watch:
        eventually(lambda: page() == ["installed", "first page"], "the first page", 60)
        (develop.project / "pages/2.txt").write_text("second page\n")
        eventually(lambda: page() == ["installed", "first page", "second page"], "the second page", 30)
        eventually(lambda: watch.named("output")[-1]["detail"] == "web: 2 pages", "its output")
        watch.calm()
        mark = watch.mark()
        with (develop.project / "install.sh").open("a") as script:
            script.write("echo more >>/srv/greeting\n")
        watch.until("run-done", mark, timeout_s=120)
        assert page() == ["installed", "more", "first page", "second page"]
    develop.vmm("down")
