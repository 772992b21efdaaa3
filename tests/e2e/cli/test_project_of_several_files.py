"""A project of several files on a host: what it comes to is what runs, and what is shown plans the same."""

import json
from collections.abc import Iterator

import pytest
from lab import Lab
from stand_in_lab import DEFAULTS, stand_in_host

pytestmark = pytest.mark.root

FILES = {
    "vmm.yaml": f"""
include: [parts/db.yaml]
{DEFAULTS}
vms:
  base: {{cpus: "${{CPUS:?}}", env: {{A: a, PRICE: $$5}}, profiles: [never]}}
  web:
    extends: base
    profiles: !reset []
    ports: ["$PORT:80"]
    mounts: ["./site:site"]
    depends_on: [db]
    env: {{PASSWORD: "${{PASSWORD}}"}}
""",
    "vmm.override.yaml": "vms: {web: {mounts: ['./other:site']}}\n",
    "parts/db.yaml": "vms: {db: {mounts: ['./data:data:ro'], env: ['FROM=$FROM']}}\n",
    "parts/.env": "FROM=parts\n",
    ".env": "CPUS=2\nPORT=9102\nPASSWORD='pa$$ word'\n",
    "site/x": "",
    "other/x": "",
    "parts/data/x": "",
}


@pytest.fixture
def host() -> Iterator[Lab]:
    with stand_in_host() as lab:
        for name, text in FILES.items():
            path = lab.project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        yield lab


def test_what_is_shown_is_what_is_there(host: Lab) -> None:
    host.vmm("up", "--no-wait")
    spec = host.record("web")["spec"]
    assert spec["cpus"] == 2
    assert [mount["source"] for mount in spec["mounts"]] == [str(host.project / "other")]
    assert host.record("db")["spec"]["mounts"][0]["source"] == str(host.project / "parts" / "data")
    assert host.vmm("plan", "--detailed-exitcode").returncode == 0
    shown = host.project / "shown.yaml"
    for args in (("--origins",), ("--format", "json"), ()):
        shown.write_text(host.vmm("manifest", "show", *args).stdout)
        assert host.vmm("-f", "shown.yaml", "plan", "--detailed-exitcode").returncode == 0, args
    assert "pa$$$$ word" in shown.read_text()
    host.env["CPUS"] = "3"
    plan = json.loads(host.vmm("plan", "--json").stdout)
    reasons = [reason for change in plan["changes"] for reason in change["reasons"]]
    assert [(reason["field"], reason["old"], reason["new"]) for reason in reasons] == [("cpus", "2", "3")]
    host.vmm("down")


def test_a_missing_variable_is_told_before_anything_is_touched(host: Lab) -> None:
    before = host.traces()
    (host.project / ".env").write_text("PORT=9102\n")
    refused = host.vmm("up", "--no-wait", code=65).stderr
    assert "the variable `CPUS` is not set" in refused
    assert "the variable `PASSWORD` is not set" in refused
    assert host.traces() == before
