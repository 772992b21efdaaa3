"""To KubeVirt: a VirtualMachine for each VM (https://kubevirt.io/user-guide/), in a namespace of the project's.

Replicas stay VirtualMachines of their own, as each keeps its disk; one Service leads to all of them. Disks of images
and volumes are made by CDI and KubeVirt; what vmm writes into a guest is left to cloud-init there.
"""

import math
import re
from collections.abc import Iterable
from typing import Any

from vmmcompose.model.desired import Desired, DesiredVm, Healthcheck
from vmmcompose.model.problem import Problem
from vmmcompose.render.export.cloudinit import user_data
from vmmcompose.render.export.services import Service, services
from vmmcompose.render.export.values import (
    PLACEHOLDER,
    Export,
    File,
    Installation,
    Loss,
    Target,
    inactive_notes,
    losses,
    note,
    placeholder,
    slug,
)
from vmmcompose.render.export.yamltext import documents

SERIAL = 20
"""Characters of a virtio disk's serial number that the guest sees."""
_STRATEGY = {"always": "Always", "on-failure": "RerunOnFailure", "no": "Once"}
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
"""A label's name or value (https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/)."""

LOST = {
    "image": Loss(
        "CDI fetches a container disk, so the file names a placeholder",
        "one with a boot loader and cloud-init, from quay.io/containerdisks or your own in a container at /disk/",
    ),
    "hypervisor": Loss("KubeVirt runs QEMU"),
    "mounts": Loss(
        "host folders are not copied to a cluster", "a ConfigMap or a PersistentVolumeClaim as a `filesystem`"
    ),
    "ip": Loss("pods get their addresses from the cluster", "the VM's Service gives it a name"),
    "depends_on": Loss("KubeVirt starts VMs at once", "let the guest wait for the other one's name"),
    "max_unavailable": Loss("each replica is a VM of its own", "change one after another"),
    "watch": Loss("its rules are for `vmm watch`"),
}


def _write(desired: Desired, _installation: Installation) -> Export:
    notes: list[Problem] = []
    values: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": desired.project}}
    ]
    users: dict[str, int] = {}
    for attachment in (attachment for vm in desired.vms for attachment in vm.volumes):
        users[attachment.volume] = users.get(attachment.volume, 0) + 1
    sizes = {volume.name: volume.size_mib for volume in desired.volumes}
    values += [_claim(desired.project, name, size, users.get(name, 0)) for name, size in sizes.items()]
    for vm in desired.vms:
        notes += losses(vm, LOST)
        values += _vm(desired.project, vm, notes)
    taken = {vm.name for vm in desired.vms}
    for service in services(desired.vms):
        values += _balancer(desired.project, service, taken, notes)
    notes += inactive_notes(desired)
    return Export((File(f"{desired.project}.yaml", documents(values)),), tuple(dict.fromkeys(notes)))


def _meta(project: str, name: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
    return {"name": name, "namespace": project, **({"labels": labels} if labels else {})}


def _claim(project: str, volume: str, size_mib: int, users: int) -> dict[str, Any]:
    """A volume that several VMs have must be one that several nodes may mount."""
    mode = "ReadWriteMany" if users > 1 else "ReadWriteOnce"
    spec = {"accessModes": [mode], "resources": {"requests": {"storage": f"{size_mib}Mi"}}}
    meta = _meta(project, _claim_name(volume))
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}


def _claim_name(volume: str) -> str:
    """Apart from the claims of root disks, whatever VMs and volumes are called."""
    return f"volume-{volume.replace('_', '--')}"


def _vm(project: str, vm: DesiredVm, notes: list[Problem]) -> Iterable[dict[str, Any]]:
    data = user_data(vm, {a.volume: device_of(a.volume) for a in vm.volumes})
    meta = _meta(project, f"{vm.name}-cloudinit")
    yield {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": {"userdata": data}}
    labels = _labels(project, vm, notes)
    yield {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": _meta(project, vm.name, labels | _protection(vm, notes)),
        "spec": {
            "runStrategy": _STRATEGY[vm.restart],
            "dataVolumeTemplates": [_root(vm)],
            "template": {"metadata": {"labels": labels}, "spec": _instance(vm, notes)},
        },
    }
    # The name by which the other VMs know it.
    spec = {"clusterIP": "None", "selector": _selector(project, vm)}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": _meta(project, vm.name), "spec": spec}


def _selector(project: str, vm: DesiredVm) -> dict[str, str]:
    return {"app.kubernetes.io/part-of": project, "app.kubernetes.io/instance": vm.name}


def _labels(project: str, vm: DesiredVm, notes: list[Problem]) -> dict[str, str]:
    found = {**_selector(project, vm), "app.kubernetes.io/name": vm.replica_of or vm.name}
    for key, value in vm.labels:
        if _LABEL.fullmatch(key) and (not value or _LABEL.fullmatch(value)):
            found[key] = value
        else:
            notes.append(note(vm, "labels", Loss("Kubernetes allows no such label"), key))
    return found


def _protection(vm: DesiredVm, notes: list[Problem]) -> dict[str, str]:
    if not vm.prevent_delete:
        return {}
    why = Loss("its label works in clusters that have the policy for it", "the SSP operator brings it")
    notes.append(note(vm, "lifecycle.prevent_delete", why))
    return {"kubevirt.io/vm-delete-protection": "True"}


def _root(vm: DesiredVm) -> dict[str, Any]:
    source = {"registry": {"url": f"docker://{placeholder(vm)}"}}
    storage = {"resources": {"requests": {"storage": f"{vm.disk_mib}Mi"}}}
    return {"metadata": {"name": f"{vm.name}-root"}, "spec": {"source": source, "storage": storage}}


def device_of(volume: str) -> str:
    """A volume's device as the guest finds it."""
    return f"/dev/disk/by-id/virtio-{volume[:SERIAL]}"


def _instance(vm: DesiredVm, notes: list[Problem]) -> dict[str, Any]:
    disks: list[dict[str, Any]] = [{"name": "root", "disk": {"bus": "virtio"}}]
    volumes: list[dict[str, Any]] = [{"name": "root", "dataVolume": {"name": f"{vm.name}-root"}}]
    for attachment in vm.volumes:
        name = _claim_name(attachment.volume)
        disk = {"bus": "virtio", **({"readonly": True} if attachment.mode == "ro" else {})}
        disks.append({"name": name, "disk": disk, "serial": attachment.volume[:SERIAL]})
        volumes.append({"name": name, "persistentVolumeClaim": {"claimName": name}})
    disks.append({"name": "cloudinit", "disk": {"bus": "virtio"}})
    secret = {"secretRef": {"name": f"{vm.name}-cloudinit"}}
    volumes.append({"name": "cloudinit", "cloudInitNoCloud": secret})
    domain: dict[str, Any] = {
        "cpu": {"cores": vm.cpus},
        "memory": {"guest": f"{vm.memory_mib}Mi"},
        "devices": {"disks": disks, "interfaces": [{"name": "default", "masquerade": {}}]},
    }
    if vm.kernel != "default" or vm.boot_args:
        domain["firmware"] = {"kernelBoot": _kernel(vm, notes)}
    spec: dict[str, Any] = {
        "hostname": vm.hostname.partition(".")[0] or vm.name,
        "terminationGracePeriodSeconds": math.ceil(vm.stop_grace_s),
        "domain": domain,
        "networks": [{"name": "default", "pod": {}}],
        "volumes": volumes,
    }
    if vm.dns:
        spec |= {"dnsPolicy": "None", "dnsConfig": {"nameservers": list(vm.dns)}}
    if vm.healthcheck is not None:
        spec["readinessProbe"] = _probe(vm, vm.healthcheck, notes)
    if vm.provision:
        why = Loss("cloud-init runs the scripts once and goes on when one fails")
        notes.append(note(vm, "provision", why))
    return spec


def _kernel(vm: DesiredVm, notes: list[Problem]) -> dict[str, Any]:
    """Where neither is set the image's boot loader chooses."""
    name = slug(vm.kernel) or "kernel"
    why = Loss(
        "the kernel is taken from a container, so the file names a placeholder",
        "an image `FROM scratch` with the kernel as /boot/vmlinuz; `initrdPath` names an initrd",
    )
    notes.append(note(vm, "kernel" if vm.kernel != "default" else "boot_args", why))
    arguments = " ".join(["root=/dev/vda", "rw", "console=ttyS0", *vm.boot_args.split()])
    container = {"image": f"{PLACEHOLDER}/kernel-{name}", "kernelPath": "/boot/vmlinuz"}
    return {"container": container, "kernelArgs": arguments}


def _probe(vm: DesiredVm, check: Healthcheck, notes: list[Problem]) -> dict[str, Any]:
    every = max(1, round(check.interval_s))
    tries = {"periodSeconds": every, "failureThreshold": max(1, math.ceil(check.timeout_s / every))}
    if check.command:
        why = Loss("it goes through the guest agent", "the image needs qemu-guest-agent")
        notes.append(note(vm, "healthcheck", why, "command"))
        return {"exec": {"command": list(check.command)}, **tries}
    if check.http is not None:
        port, _, path = check.http.partition("/")
        return {"httpGet": {"port": int(port), "path": f"/{path}"}, **tries}
    return {"tcpSocket": {"port": check.tcp}, **tries}


def _balancer(
    project: str, service: Service, taken: set[str], notes: list[Problem]
) -> Iterable[dict[str, Any]]:
    vm, ports = service.vm, list[dict[str, Any]]()
    for forward in vm.ports:
        if forward.bind.startswith("127."):
            why = Loss(
                "a cluster has no such address",
                f"virtctl port-forward vm/{vm.name} {forward.host}:{forward.guest}",
            )
            notes.append(note(vm, "ports", why, forward.entry))
            continue
        if forward.bind:
            notes.append(
                note(vm, "ports", Loss("a Service has the address that the cluster gives it"), forward.entry)
            )
        if service.count > 1:
            last = forward.host + service.count - 1
            why = Loss(f"port {forward.host} leads to all replicas; those up to {last} are left out")
            notes.append(note(vm, "ports", why, forward.entry))
        name = f"{forward.protocol}-{forward.host}"
        port = {
            "name": name,
            "port": forward.host,
            "targetPort": forward.guest,
            "protocol": forward.protocol.upper(),
        }
        ports.append(port)
    if ports:
        alone = {"app.kubernetes.io/part-of": project, "app.kubernetes.io/name": service.name}
        selector = alone if service.count > 1 else _selector(project, vm)
        spec = {"type": "LoadBalancer", "selector": selector, "ports": ports}
        name = service.name
        while name in taken:  # by the Services that give the VMs their names
            name += "-ports"
        taken.add(name)
        yield {"apiVersion": "v1", "kind": "Service", "metadata": _meta(project, name), "spec": spec}


TARGET = Target(
    _write,
    frozenset({"cpus", "memory_mib", "disk_mib", "dns", "ssh_keys", "hostname", "env", "files", "volumes"})
    | {"restart", "stop_grace_s"},
    frozenset(
        {"kernel", "boot_args", "healthcheck", "labels", "ports", "provision", "prevent_delete", "profiles"}
    ),
    LOST,
)
