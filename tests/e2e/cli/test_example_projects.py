"""The examples as a reader of their READMEs would run them."""

import json

import pytest
from lab import Lab

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
