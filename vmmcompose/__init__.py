"""vmm: docker compose plus terraform plan for Firecracker microVMs on one Linux host.

`docs/architecture.md` says where a line lives; the spine is `vmmcompose/reconcile.py`.
"""

__version__ = "0.1.0"
