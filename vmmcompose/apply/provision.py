"""Running provision scripts: what they print is told and kept, and a disk remembers those that were done."""

from collections import deque
from dataclasses import replace

from vmmcompose.apply.context import Context, Progress, now
from vmmcompose.errors import HostError
from vmmcompose.guest.scripts import script_digest
from vmmcompose.host import stored
from vmmcompose.host.console import CappedLog, clean
from vmmcompose.host.files import make_dir
from vmmcompose.host.provision import run_script
from vmmcompose.model.actions import RunProvision
from vmmcompose.model.observed import DiskInfo
from vmmcompose.model.spec import VmSpec

LAST_LINES = 10
"""Lines of its output that a failed script's message shows."""


def run_provision(context: Context, action: RunProvision, progress: Progress) -> None:
    """Runs a script in a guest; only when it ended well the disk's sidecar says so."""
    spec, script = action.spec, action.provision
    process = context.record(spec.name).process
    if process is None:
        raise HostError(f"VM {spec.vm} does not run", hint="run `vmm up` again")
    make_dir(context.paths.logs(spec.name), 0o700)
    log = CappedLog(context.paths.provision_log(spec.name))
    last: deque[str] = deque(maxlen=LAST_LINES)

    def on_line(line: bytes) -> None:
        log.add(line)
        for words in clean(line.decode(errors="replace")):
            last.append(words)
            progress(words)

    def check() -> None:
        context.check()
        if not context.patience.left():
            raise HostError(
                f"VM {spec.vm}: {script.name} was ended: {context.patience.over()}", hint=_hint(spec)
            )

    def note(words: str) -> None:
        log.add(f"=== {now()} {script.name}: {words}".encode())

    note("begins")
    try:
        code = run_script(context.paths, spec, process, script.content, on_line=on_line, check=check)
    except BaseException:
        note("was cut off")
        raise
    note(f"exit code {code}")
    if code != 0:
        shown = [f"  {line}" for line in last]
        hint = "\n".join([*(["last lines of its output:"] if shown else []), *shown, _hint(spec)])
        raise HostError(f"VM {spec.vm}: {script.name} ended with exit code {code}", hint=hint)
    _remember(context, spec, script_digest(script.content))


def _hint(spec: VmSpec) -> str:
    return f"`vmm logs --provision {spec.vm}` shows all of it; it is run again next time"


def _remember(context: Context, spec: VmSpec, digest: str) -> None:
    disk = stored.read_disk(context.paths, spec.name)
    if disk is None:
        raise HostError(
            f"VM {spec.vm}: its root disk was deleted under it", hint="`vmm up` makes it a new one"
        )
    info = disk.info or DiskInfo(spec.image, "")
    info = replace(info, provisioned=(*info.provisioned, digest))
    stored.write_disk_info(context.paths, spec.name, info)
