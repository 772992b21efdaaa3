"""What is brought up when the host boots."""

from dataclasses import dataclass

from vmmcompose.model.spec import VmSpec


@dataclass(frozen=True, slots=True)
class Enabled:
    """Projects, and VMs by their names on the host, each sorted."""

    projects: tuple[str, ...] = ()
    vms: tuple[str, ...] = ()

    def covers(self, spec: VmSpec) -> bool:
        """Whether a VM is meant, by its own name or with its project."""
        return spec.name in self.vms or bool(spec.project and spec.project in self.projects)

    def with_(self, other: "Enabled") -> "Enabled":
        """Both together."""
        return Enabled(
            tuple(sorted({*self.projects, *other.projects})), tuple(sorted({*self.vms, *other.vms}))
        )

    def without(self, other: "Enabled") -> "Enabled":
        """This without the other."""
        return Enabled(
            tuple(sorted({*self.projects} - {*other.projects})), tuple(sorted({*self.vms} - {*other.vms}))
        )
