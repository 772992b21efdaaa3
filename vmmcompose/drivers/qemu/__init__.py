"""QEMU: VMs on hosts without Firecracker or without KVM."""
