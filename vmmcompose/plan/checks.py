"""What is refused before anything is touched, as problems that point into the manifest."""

from collections.abc import Iterable, Mapping

from vmmcompose.model.capabilities import Capabilities
from vmmcompose.model.desired import Desired
from vmmcompose.model.observed import HostFacts, Image, Observed
from vmmcompose.model.problem import Problem, Severity
from vmmcompose.model.settings import Settings
from vmmcompose.model.spec import VmSpec, project_words
from vmmcompose.plan.view import MIB, VmView

PACKAGES = {
    "qemu": "apt-get install qemu-system-x86",
    "firecracker": "put firecracker on PATH or set VMM_FIRECRACKER",
}


def check_names(specs: Iterable[VmSpec], observed: Observed, project: str) -> list[Problem]:
    """Names on the host that another project, or an unreadable record, holds."""
    owners = {record.spec.name: record.spec.project for record in observed.records}
    broken = {record.name: record for record in observed.unreadable}
    problems = []
    for spec in specs:
        at = ("vms", spec.vm)
        if owners.get(spec.name, project) != project:
            problems.append(
                Problem(
                    "name-taken",
                    f"VM `{spec.vm}` would be called {spec.name}, like a VM of {project_words(owners[spec.name])}",
                    at,
                    "rename the VM or the project",
                )
            )
        if spec.name in broken:
            problems.append(_broken(spec, broken[spec.name].path, broken[spec.name].why, at))
    return problems


def _broken(spec: VmSpec, path: str, why: str, at: tuple[str | int, ...]) -> Problem:
    return Problem(
        "unreadable-record",
        f"the record of VM `{spec.vm}` cannot be read: {why}",
        at,
        f"repair {path}, or move it away: then the VM is taken over with its disk",
    )


def find_image(spec: VmSpec, observed: Observed) -> Image | None:
    """The image a spec names, from the store or by its path."""
    return observed.images.get(spec.image) or observed.foreign_images.get(spec.image)


def check_vm(
    spec: VmSpec,
    view: VmView,
    observed: Observed,
    capabilities: Mapping[str, Capabilities],
    *,
    replaced: bool,
) -> list[Problem]:
    """Everything about one VM that this host cannot give it."""
    problems = _check_image(spec, view, observed, replaced=replaced) + check_mounts(spec, observed)
    problems += [] if replaced else check_disk(spec, view)
    limits = capabilities.get(spec.driver)
    if limits is None:
        known = ", ".join(sorted(capabilities))
        problems.append(
            Problem(
                "no-driver", f"VM `{spec.vm}`: no hypervisor `{spec.driver}`", _at(spec, "hypervisor"), known
            )
        )
        return problems
    if spec.driver not in observed.host.binaries:
        problems.append(
            Problem(
                "no-binary",
                f"VM `{spec.vm}`: the program of hypervisor {spec.driver} was not found",
                _at(spec, "hypervisor"),
                PACKAGES.get(spec.driver, ""),
            )
        )
    return problems + _check_kernel(spec, observed, limits) + _check_limits(spec, limits)


def _check_image(spec: VmSpec, view: VmView, observed: Observed, *, replaced: bool) -> list[Problem]:
    at = _at(spec, "image")
    problems = []
    image = find_image(spec, observed)
    if image is None and (view.disk is None or replaced):
        from difflib import get_close_matches

        close = get_close_matches(spec.image, list(observed.images), 1)
        buildable = spec.image in ("tiny", "debian-12")
        hint = f"did you mean `{close[0]}`?" if close else "`vmm image list` shows the images there are"
        hint = f"`vmm image build {spec.image}` makes it" if buildable else hint
        problems.append(Problem("no-image", f"VM `{spec.vm}`: there is no image `{spec.image}`", at, hint))
    elif image is not None and (view.disk is None or replaced) and image.size_bytes > spec.disk_mib * MIB:
        need = -(-image.size_bytes // MIB)
        problems.append(
            Problem(
                "disk-too-small",
                f"VM `{spec.vm}`: a disk of {spec.disk_mib} MiB cannot hold image `{spec.image}`",
                _at(spec, "disk"),
                f"set `disk: {need}MiB` or more",
            )
        )
    if view.disk is not None and not replaced and view.disk.size_bytes > spec.disk_mib * MIB:
        problems.append(
            Problem(
                "disk-shrinks",
                f"VM `{spec.vm}`: its disk has {view.disk.size_bytes // MIB} MiB and cannot shrink to"
                f" {spec.disk_mib} MiB",
                _at(spec, "disk"),
                "keep the size, or make the VM anew with `vmm up --recreate`",
            )
        )
    return problems


def check_disk(spec: VmSpec, view: VmView, severity: Severity = "error") -> list[Problem]:
    """A root disk that no VM can start with; of one that runs on with it, a warning."""
    if view.disk is None or not view.disk.fault:
        return []
    return [
        Problem(
            "disk-damaged",
            f"VM `{spec.vm}`: its root disk cannot be used: {view.disk.fault}",
            ("vms", spec.vm),
            "put a copy of it back, or begin anew from the image, which loses what is on it:"
            f" `vmm up --recreate {spec.vm}`",
            severity=severity,
        )
    ]


def check_mounts(spec: VmSpec, observed: Observed) -> list[Problem]:
    """Directories to mount that cannot be read."""
    problems = []
    words = {
        "missing": "does not exist",
        "file": "is a file, not a directory",
        "unreadable": "cannot be read",
        "other": "is no directory",
    }
    for mount in spec.mounts:
        source = observed.sources.get(mount.source)
        hidden = source is not None and source.kind == "unreadable" and not observed.host.root
        if source is not None and source.kind != "directory" and not hidden:
            problems.append(
                Problem(
                    "bad-mount",
                    f"VM `{spec.vm}`: {mount.source} {words[source.kind]}",
                    ("vms", spec.vm, "mounts", mount.tag),
                    "a mount is a host directory: `HOST:TAG[:ro|rw]`",
                )
            )
    return problems


def _check_kernel(spec: VmSpec, observed: Observed, limits: Capabilities) -> list[Problem]:
    kernel = observed.kernels.get(spec.kernel)
    at = _at(spec, "kernel")
    if kernel is None:
        hint = "`vmm kernel import --from-package` gets one from the distribution"
        return [Problem("no-kernel", f"VM `{spec.vm}`: there is no kernel `{spec.kernel}`", at, hint)]
    forms = {"vmlinux": kernel.vmlinux, "bzimage": kernel.bzimage}
    if not any(forms[form] for form in limits.kernel_forms):
        needs = " or ".join(limits.kernel_forms)
        return [
            Problem(
                "kernel-form", f"VM `{spec.vm}`: kernel `{spec.kernel}` has no {needs} for {spec.driver}", at
            )
        ]
    return []


def _check_limits(spec: VmSpec, limits: Capabilities) -> list[Problem]:
    found = []
    if spec.cpus > limits.max_cpus:
        found.append(("cpus", f"{spec.driver} gives at most {limits.max_cpus} cpus"))
    if spec.memory_mib < limits.min_memory_mib:
        found.append(("memory", f"{spec.driver} needs at least {limits.min_memory_mib} MiB of memory"))
    if len(spec.mounts) + len(spec.volumes) > limits.max_mounts:
        found.append(("mounts", f"{spec.driver} takes at most {limits.max_mounts} mounts and volumes"))
    return [Problem("limit", f"VM `{spec.vm}`: {text}", _at(spec, key)) for key, text in found]


def explain_auto(
    created: Iterable[VmSpec], desired: Desired, settings: Settings, host: HostFacts
) -> list[Problem]:
    """A note on which hypervisor `auto` became for the VMs that are made now, and why."""
    automatic = (
        {vm.name for vm in desired.vms if vm.hypervisor == "auto"} if settings.hypervisor == "auto" else set()
    )
    chosen = sorted({spec.driver for spec in created if spec.vm in automatic})
    if not chosen:
        return []
    missing = "" if "firecracker" in host.binaries else "firecracker is not installed"
    why = ", ".join(filter(None, (missing, host.kvm_reason))) if "qemu" in chosen else "KVM is usable"
    return [Problem("hypervisor", f"hypervisor auto is {' and '.join(chosen)} here: {why}", severity="note")]


def check_orphans(names: Iterable[str]) -> list[Problem]:
    """A note for each VM of the project that the manifest does not name."""
    return [
        Problem(
            "orphan",
            f"VM `{name}` is not in the manifest any more",
            hint="`vmm up --remove-orphans` deletes it",
            severity="note",
        )
        for name in names
    ]


def _at(spec: VmSpec, key: str) -> tuple[str | int, ...]:
    return ("vms", spec.vm, key)
