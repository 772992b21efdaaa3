"""`vmm inspect`."""

import time
from dataclasses import asdict

import click

from vmmcompose.cli import complete
from vmmcompose.cli.invocation import Invocation, pass_invocation, print_json
from vmmcompose.cli.project import find_record


@click.command()
@click.argument("vm", metavar="VM", shell_complete=complete.recorded_vms)
@pass_invocation
def inspect(invocation: Invocation, vm: str) -> None:
    """Show everything known about a VM, as JSON: state, applied specification, process, files.

    Values of `env` and contents of `files` are not shown.
    """
    from vmmcompose.cli.ps import as_row, live_state
    from vmmcompose.cli.snapshot import rows_of
    from vmmcompose.host.lockview import busy

    record = find_record(invocation, vm)
    paths, name = invocation.paths(), record.spec.name
    state = live_state(record, busy(paths, [record]))
    spec = asdict(record.spec)
    spec["env"] = sorted(key for key, _ in record.spec.env)
    spec["files"] = sorted(file.path for file in record.spec.files)
    spec["provision"] = [script.name for script in record.spec.provision]
    value = {
        "schema_version": 1,
        **as_row(record, state, time.time(), invocation.paths()),
        "recorded_state": record.state,
        "process": asdict(record.process) if record.process else None,
        "spec": spec,
        "snapshots": [row["name"] for row in rows_of(invocation, record)],
        "paths": {
            "record": str(paths.record(name)),
            "disk": str(paths.disk(name)),
            "console": str(paths.console(name)),
            "driver_log": str(paths.driver_log(name)),
            "provision_log": str(paths.provision_log(name)),
            "socket": str(paths.socket(record.spec.id)),
            "host_key": str(paths.host_key(name)),
            "volumes": {
                one.volume: str(paths.volume(record.spec.project, one.volume)) for one in record.spec.volumes
            },
            "mounts": {mount.tag: str(paths.mount(name, mount.tag)) for mount in record.spec.mounts},
        },
    }
    print_json(value)
